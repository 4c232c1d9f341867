"""Extraction of the evidence lists that MindSpore's Python sources contain.

``python -m acmix.tools.audit.extract`` writes them. GE adapters, aclnn kernels and backend passes
are in compiled libraries; the headers of those lists describe the extraction.
"""

from __future__ import annotations

import ast
import inspect
import re
from pathlib import Path

from mindspore import ops
from mindspore.ops import auto_generate
from mindspore.ops.operations import _grad_ops, _inner_ops
from mindspore.ops.primitive import Primitive

LISTS = Path(__file__).parent / "lists"
_HEADERS = {
    "documented": (
        "Operators whose docstring has the section 'Supported Platforms': platforms, and where.",
        "A primitive of mindspore.ops.operations, auto_generate, _grad_ops or _inner_ops, or else",
        "the function of ops.auto_generate that calls this primitive and no other.",
    ),
    "aicpu": (
        "Operators registered for AICPU, the slow processors beside the cores of an Ascend chip:",
        "AiCPURegOp in mindspore/ops/_op_impl/aicpu.",
    ),
}


def documented() -> dict[str, tuple[tuple[str, ...], str]]:
    """Return documented platforms and their place, for every operator that has them."""
    found = _functions()
    for module in (_inner_ops, _grad_ops, auto_generate, ops.operations):
        for name, cls in inspect.getmembers(module, inspect.isclass):
            platforms = _platforms(cls.__doc__)
            if issubclass(cls, Primitive) and platforms:
                found[name] = (platforms, name)
    return found


def aicpu() -> set[str]:
    """Return the operators registered for AICPU."""
    folder = Path(inspect.getfile(ops)).parent / "_op_impl" / "aicpu"
    texts = (file.read_text(encoding="utf-8") for file in folder.glob("*.py"))
    return {name for text in texts for name in re.findall(r'AiCPURegOp\("(\w+)"\)', text)}


def texts() -> dict[str, str]:
    """Return the generated lists for the installed MindSpore, by name."""
    lines = {
        "documented": [
            f"{name}\t{' '.join(platforms)}\t{place}"
            for name, (platforms, place) in documented().items()
        ],
        "aicpu": list(aicpu()),
    }
    return {name: _header(name) + "\n".join(sorted(lines[name])) + "\n" for name in lines}


def _header(name: str) -> str:
    from mindspore import __version__

    made = f"Made from MindSpore {__version__} by python -m acmix.tools.audit.extract."
    return "".join(f"# {line}\n" for line in (*_HEADERS[name], made))


def _functions() -> dict[str, tuple[tuple[str, ...], str]]:
    """Return platforms and place from functions that call exactly one operator."""
    instances = _instances()
    found = {}
    for function in _parsed("gen_ops_def").body:
        if not isinstance(function, ast.FunctionDef):
            continue
        platforms = _platforms(ast.get_docstring(function))
        operators = _operators(function, instances)
        if platforms and len(operators) == 1:
            found[operators.pop()] = (platforms, f"ops.{function.name}()")
    return found


def _instances() -> dict[str, str]:
    """Return operators by the name of their callable object: ``erf_op``, ``concat_impl``."""
    found = {}
    for module in ("gen_ops_prim", "pyboost_inner_prim"):
        for statement in _parsed(module).body:
            match = re.fullmatch(r"(\w+) = (\w+)\(\)", ast.unparse(statement))
            if match:
                found[match[1]] = re.sub(r"^_Pyboost(\w+)Prim$", r"\1", match[2])
    return found


def _operators(function: ast.FunctionDef, instances: dict[str, str]) -> set[str]:
    """Return the operators of calls like ``erf_op(x)`` or ``_get_cache_prim(Gather)(...)``."""
    found = set()
    for node in ast.walk(function):
        if not isinstance(node, ast.Call):
            continue
        name = ast.unparse(node.func)
        if name == "_get_cache_prim":
            found.add(ast.unparse(node.args[0]))
        elif name in instances:
            found.add(instances[name])
    return found


def _parsed(module: str) -> ast.Module:
    path = Path(inspect.getfile(auto_generate)).parent / f"{module}.py"
    return ast.parse(path.read_text(encoding="utf-8"))


def _platforms(docstring: str | None) -> tuple[str, ...]:
    section = re.search(r"Supported Platforms:\s*\n\s*(.+)", docstring or "")
    return tuple(re.findall(r"``(\w+)``", section[1])) if section else ()


if __name__ == "__main__":
    for list_name, text in texts().items():
        (LISTS / f"{list_name}.txt").write_text(text, encoding="utf-8")
