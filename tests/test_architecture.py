"""Imports go only downwards, and the thin folders stay thin."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "acmix"

# From the bottom up. A package may import itself and what is in a lower row, not its neighbours.
LAYERS = [
    ["version", "errors"],
    ["utils"],
    ["config"],
    ["environment"],
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


def imported(path: Path) -> set[str]:
    """Return the layers a file imports, also inside of functions, but not for type checking."""
    found = set()

    def visit(node: ast.AST) -> None:
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            return
        names: list[str] = []
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            if node.module == "acmix":
                names = [f"acmix.{alias.name}" for alias in node.names]
            else:
                names = [node.module or ""]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        found.update(name.split(".")[1] for name in names if name.startswith("acmix."))
        for child in ast.iter_child_nodes(node):
            visit(child)

    visit(ast.parse(path.read_text(encoding="utf-8")))
    return found


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
    [*(ROOT / "scripts").glob("*.py"), *(ROOT / "export").glob("*.py")],
    ids=lambda path: path.name,
)
def test_launchers_are_thin(path):
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 40
    assert not any(isinstance(node, ast.ClassDef) for node in ast.walk(ast.parse(text)))


def test_no_module_outgrows_its_name():
    for path in MODULES:
        assert len(path.read_text(encoding="utf-8").splitlines()) <= 330, path
