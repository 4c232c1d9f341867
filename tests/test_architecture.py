"""Imports go only downwards, and the thin folders stay thin."""

import ast
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from acmix.config import TASK_CONFIGS

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "acmix"

# From the bottom up. A package may import itself and what is in a lower row, not its neighbours.
LAYERS = [
    ["version", "errors"],
    ["utils"],
    ["config"],
    ["environment", "trained"],
    ["parallel", "launch"],
    ["ops"],
    ["layers"],
    ["models"],
    ["engine", "data", "export", "convert"],
    ["tasks"],
    ["workflows", "integrations"],
    ["tools"],
    ["cli"],
    ["__main__"],
]
LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}
MODULES = sorted(SOURCE.rglob("*.py"))


def home(path: Path) -> str:
    """Return the layer a file belongs to; the package's own ``__init__`` is above all."""
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def module_name(path: Path) -> str:
    return ".".join(["acmix", *path.relative_to(SOURCE).with_suffix("").parts]).removesuffix(
        ".__init__"
    )


BY_NAME = {module_name(path): path for path in MODULES}


@cache
def imports(path: Path, *, for_types: bool = False) -> set[str]:
    """Return the modules of ours that a file imports, also in functions.

    Args:
        path: of the file.
        for_types: whether those count that are imported for type checking alone.
    """
    found = set()

    def visit(node: ast.AST) -> None:
        checking = isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        if checking and not for_types:
            return
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                found.add(whole if whole in BY_NAME else node.module or "")
        elif isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        for child in ast.iter_child_nodes(node):
            visit(child)

    visit(ast.parse(path.read_text(encoding="utf-8")))
    return {name for name in found if name.startswith("acmix.")}


def imported(path: Path) -> set[str]:
    """Return the layers a file imports."""
    return {name.split(".")[1] for name in imports(path)}


def circle(start: str) -> list[str]:
    """Return a way along imports from a module back to itself; empty where there is none."""
    pending, seen = [[start]], set()
    while pending:
        way = pending.pop(0)
        for name in sorted(imports(BY_NAME[way[-1]], for_types=True) & set(BY_NAME)):
            if name == start:
                return [*way, start]
            if name not in seen:
                seen.add(name)
                pending.append([*way, name])
    return []


def test_every_module_has_a_layer():
    assert {home(path) for path in MODULES} - {"__init__"} <= set(LEVEL)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_imports_go_downwards(path):
    own = home(path)
    if own == "__init__":
        return
    for name in imported(path) - {own}:
        assert name in LEVEL, f"{path} imports acmix.{name}, which has no layer"
        assert LEVEL[name] < LEVEL[own], f"{own} must not import acmix.{name}"


@pytest.mark.parametrize("name", sorted(BY_NAME))
def test_no_import_leads_back_to_its_module(name):
    way = circle(name)
    assert not way, " -> ".join(way)


def test_training_loads_no_tools():
    program = (
        "import sys, acmix.workflows, acmix.tasks\n"
        "from acmix.cli import make_parser\n"
        "make_parser().parse_args(['train', 'config.yaml', 'seed=1'])\n"
        "tools = [name for name in sys.modules if name.startswith('acmix.tools')]\n"
        "print(len([name for name in sys.modules if name.split('.')[0] == 'acmix']), *tools)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.split()[1:] == [], done.stderr


def task_packages() -> set[str]:
    """Return what belongs to single tasks: their folders, their configuration, their models."""
    own = set()
    for task in TASK_CONFIGS:
        own |= {f"acmix.tasks.{task}", f"acmix.config.{task}", f"acmix.models.{task}"}
    return own


def is_of_a_task(name: str) -> bool:
    return any(name == own or name.startswith(f"{own}.") for own in task_packages())


def task_branches(path: Path) -> list[str]:
    """Return the places where a file asks which task it serves."""
    found = []
    docstrings = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            docstrings.add(id(node.value))
        elif isinstance(node, ast.Constant) and node.value in TASK_CONFIGS:
            found.append((node.lineno, id(node), repr(node.value)))
        elif isinstance(node, ast.Call) and ast.unparse(node.func) == "isinstance":
            if ast.unparse(node.args[1]) in {"Detector", "Backbone"}:
                found.append((node.lineno, 0, ast.unparse(node)))
    return [f"{path}:{line}: {text}" for line, node, text in found if node not in docstrings]


# Files that name a task although they serve all of them, and why.
MAY_NAME_A_TASK = {
    "acmix.data.rle",  # "segmentation" is the key of masks in COCO's files
    "acmix.data.shapes",  # the same
    "acmix.tools.analysis.paper",  # "segmentation" names the tables of Tab. 2
    "acmix.tools.analysis.count_tables",  # so do the tables of counts
}


@pytest.mark.parametrize("name", sorted(BY_NAME))
def test_only_a_task_s_own_files_know_which_task_it_is(name):
    if is_of_a_task(name) or name in MAY_NAME_A_TASK:
        return
    assert not task_branches(BY_NAME[name])


def test_operators_know_only_mindspore_and_numpy():
    allowed = {"mindspore", "numpy", "acmix", "__future__", "typing", "collections", "functools",
               "dataclasses", "math"}  # fmt: skip
    for path in (SOURCE / "ops").glob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            assert {name.split(".")[0] for name in names} <= allowed, path


def test_engine_and_data_do_not_know_networks():
    for path in (SOURCE / "engine").glob("*.py"):
        assert not imported(path) & {"models", "layers"}, path
    for path in (SOURCE / "data").glob("*.py"):
        assert "mindspore.nn" not in path.read_text(encoding="utf-8"), path


@pytest.mark.parametrize(
    "path",
    [
        path
        for folder in ("scripts", "export")
        for path in (ROOT / folder).glob("*.py")
        if path.name != "run_onnx.py"  # a sample to copy, which does without the package
    ],
    ids=lambda path: path.name,
)
def test_launchers_are_thin(path):
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 40
    assert not any(isinstance(node, ast.ClassDef) for node in ast.walk(ast.parse(text)))


def test_no_module_outgrows_its_name():
    for path in MODULES:
        assert len(path.read_text(encoding="utf-8").splitlines()) <= 330, path


def test_modules_of_tests_have_names_of_their_own():
    """pytest imports them by their names alone; of two it refuses one."""
    files = [path.name for path in (ROOT / "tests").rglob("*.py") if path.name != "conftest.py"]
    twice = {name for name in files if files.count(name) > 1}
    assert not twice - {"__init__.py"}
