"""Names, commands, options and links in the documents exist."""

from __future__ import annotations

import ast
import builtins
import importlib
import re
import shlex
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest

from acmix.cli import make_parser
from acmix.config import TASK_CONFIGS
from acmix.config.typed import annotations_of, is_section
from acmix.models import list_models
from acmix.models.detection import list_detectors
from acmix.models.segmentation import list_segmenters
from acmix.tools.plan.devices import known_devices

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "acmix"
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]

# Names of others in backticks, by where they come from.
FOREIGN = {
    "Ascend's tools": {"npu-smi", "converter_lite", "benchmark", "atc"},
    "environment variables of MindSpore, CANN and OpenMP": {
        "ASCEND_RT_VISIBLE_DEVICES", "MS_NODE_TIMEOUT", "OMP_NUM_THREADS", "OMP_WAIT_POLICY",
        "RANK_TABLE_FILE", "RANK_SIZE", "RANK_ID", "DEVICE_ID",
    },
    "MindSpore's runtime and libraries": {
        "kSingleThreadExecutionActorMaxNum", "libmindspore_ops_ascend.so",
        "libmindspore_ascend_res_manager.so", "MindDataset", "assign_value", "set_data",
        "load_param_into_net", "msrun", "auto_prefix", "to_float",
    },
    "programs and packages": {
        "pip", "perf", "nohup", "taskset", "tee", "mypy", "ruff", "pre-commit", "mpirun", "zsh",
        "tcsh", "bash",
    },
    "Python, YAML, pycocotools": {"assert", "null", "cpu", "COCO"},
    "the repository": {"src", "tests", "docs", "configs", "LAYERS"},
    "mathematics": {"sqrt", "erf"},
}  # fmt: skip
KNOWN_ELSEWHERE = set().union(*FOREIGN.values())

NEED_AN_EXTRA = {"mindcv", "acmix.integrations.mindcv"}
"""Modules that import only where a package is installed that ACmix does without."""

# Files that a user or a run makes.
MADE = re.compile(
    r"(^|/)(runs|checkpoints|train|val|FOLDER|NAME|\.venv|logs)(/|$)|[A-Z]{3,}|<|^~|^net\.|"
    r"^epoch_\d+\.ckpt$|^step_\d+\.ckpt$|^check_ascend\.json$|^log\.txt$|^\.pth$|\*|"
    r"^speed-\w+-|://"
)
TABLE = re.compile(r"(<!-- acmix .+? -->\n).*?<!-- end -->", re.DOTALL)
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
INDENTED = re.compile(r"(?:^    .+\n)+", re.MULTILINE)
CALL = re.compile(r"^@?([A-Za-z_][\w.]*)\((.*)\)(?: -> .+)?$", re.DOTALL)
NAME = re.compile(r"^@?[A-Za-z_][\w-]*$")
DOTTED = re.compile(r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)+$")
OVERRIDE = re.compile(r"^([a-z_]+(?:\.\w+)*)=(.+)$")


def prose(document: Path) -> str:
    """Return a document without generated tables and code blocks."""
    text = TABLE.sub(r"\1", document.read_text(encoding="utf-8"))
    return INDENTED.sub("\n", FENCE.sub("", text))


def quoted(document: Path) -> list[str]:
    """Return what stands in backticks in the prose."""
    found = re.findall(r"`([^`]+)`", prose(document))
    return sorted({re.sub(r"\s+", " ", name).replace("\\|", "|") for name in found})


def code_lines(document: Path) -> list[str]:
    """Return the command lines of code blocks, continued lines joined."""
    text = TABLE.sub(r"\1", document.read_text(encoding="utf-8"))
    blocks = [body for language, body in FENCE.findall(text) if language != "python"]
    blocks += INDENTED.findall(FENCE.sub("", text))
    joined = "\n".join(blocks).replace("\\\n", " ")
    return [line.strip() for line in joined.splitlines() if line.strip()]


@cache
def definitions() -> tuple[set[str], dict[str, set[str]]]:
    """Return every name and string value of the sources, and the names in each class."""
    names: set[str] = set()
    classes: dict[str, set[str]] = {}
    bases: dict[str, list[str]] = {}
    for path in [*SOURCE.rglob("*.py"), *(ROOT / "scripts").glob("*.py")]:
        names |= {path.stem, path.parent.name}
        tree = ast.parse(path.read_text(encoding="utf-8"))
        names |= names_in(tree)
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                classes.setdefault(node.name, set()).update(names_in(node))
                bases[node.name] = [ast.unparse(base).split("[")[0] for base in node.bases]
    for name in classes:
        pending = list(bases[name])
        while pending:
            base = pending.pop()
            classes[name] |= classes.get(base, set())
            pending += bases.get(base, [])
    return names, classes


def names_in(tree: ast.AST) -> set[str]:
    """Return what a tree defines: functions, classes, arguments, variables, fields, values."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.arg | ast.keyword) and node.arg:
            found.add(node.arg)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            found.add(node.attr)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            found.add(node.value)
    return found


@cache
def operators() -> set[str]:
    """Return the operators of MindSpore in the lists of `acmix audit`."""
    found = set()
    for path in (SOURCE / "tools" / "audit" / "lists").glob("*.txt"):
        found |= set(re.findall(r"^\w+", path.read_text(encoding="utf-8"), re.MULTILINE))
        found.add(path.stem)
    return found


@cache
def options() -> set[str]:
    """Return the options of all commands, the launcher, pytest and the scripts."""
    found = {"--check", "--all", "--no-deps", "--rehearse"}
    for parser in make_parser().walk():
        found |= {option for action in parser._actions for option in action.option_strings}
    launcher = (SOURCE / "launch" / "__main__.py").read_text(encoding="utf-8")
    return found | set(re.findall(r'"(--[\w-]+)"', launcher)) | {"--no-bind"}


@cache
def settings() -> set[str]:
    """Return variables of the scripts, markers of the tests, extras, and figures of devices."""
    found = set(known_devices())
    for path in (ROOT / "scripts").glob("*.sh"):
        found |= set(re.findall(r"\bACMIX_\w+", path.read_text(encoding="utf-8")))
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    found |= set(re.findall(r'^    "(\w+): ', project, re.MULTILINE))
    extras = project.split("[project.optional-dependencies]")[1].split("\n[")[0]
    return found | {f"acmix[{name}]" for name in re.findall(r"^(\w+) = ", extras, re.MULTILINE)}


def is_key(name: str) -> bool:
    """Return whether a configuration of some task has the key, a section or a value."""
    for cls in TASK_CONFIGS.values():
        own = cls
        for part in name.split("."):
            if not is_section(own) or part not in annotations_of(own):
                break
            own = annotations_of(own)[part]
        else:
            return True
        if name.startswith(("model.kwargs.", "detector.kwargs.", "segmenter.kwargs.")):
            return True
    return False


def importable(name: str) -> bool:
    """Return whether a dotted name leads to a module or an attribute."""
    parts = name.split(".")
    for count in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:count]))
        except ImportError:
            continue
        for part in parts[count:]:
            if not hasattr(found, part):
                return False
            found = getattr(found, part)
        return True
    return False


def is_file(name: str, document: Path) -> bool:
    """Return whether a path exists in the repository, the package or beside the document."""
    name = name.split("#")[0].rstrip("/")
    return any((base / name).exists() for base in (ROOT, SOURCE, document.parent))


def is_command(line: str) -> bool:
    """Return whether the real parser takes a command, and its overrides and files exist."""
    line = re.sub(r"\s+#.*$", "", line)
    words = shlex.split(line)[1:]
    if not words or any(word in ("...", "COMMAND") for word in words):
        return not words or bool(set(words) & {"..."})
    parser = make_parser()
    rest = list(words)
    while rest and rest[0] in parser.commands:
        parser = parser.commands[rest.pop(0)]
    parser.fill()
    if all(word in parser._option_string_actions for word in rest):
        return True  # the name of a command or of an option of it
    try:
        make_parser().parse_args(words)
    except SystemExit:
        return False
    keys = [match[1] for word in words if (match := OVERRIDE.match(word))]
    files = [word for word in words if word.startswith("configs/") and "*" not in word]
    return all(map(is_key, keys)) and all((ROOT / file).exists() for file in files)


def is_script_call(line: str) -> bool:
    """Return whether the scripts, modules and options that a line names exist."""
    words = line.split()
    paths = [w for w in words if w.startswith(("scripts/", "tests/", "configs/"))]
    modules = [b for a, b in pairwise(words) if a == "-m" and "acmix" in b]
    named = [w.split("=")[0] for w in words if w.startswith("--") and paths]
    return (
        all((ROOT / path).exists() for path in paths)
        and all(map(importable, modules))
        and set(named) <= options()
    )


def is_known_name(name: str) -> bool:
    """Return whether the sources, MindSpore's lists or the list above have a bare name."""
    name = name.removeprefix("@")
    return (
        name in definitions()[0]
        or name in KNOWN_ELSEWHERE
        or name in operators()
        or name in list_models()
        or name in list_detectors()
        or name in list_segmenters()
        or is_key(name)
        or name in make_parser().commands
        or name in settings()
        or hasattr(builtins, name)
    )


def is_dotted(name: str) -> bool:
    """Return whether a dotted name is a module, a key, or a member of a class of ours."""
    first, *_, last = name.split(".")
    aliases = {"ms": "mindspore", "np": "numpy", "nn": "mindspore.nn", "ops": "mindspore.ops"}
    aliases["Tensor"] = "mindspore.Tensor"
    if first in aliases:
        return importable(name.replace(first, aliases[first], 1))
    names, classes = definitions()
    if first == "acmix":
        return importable(name)
    if first in classes:
        return last in classes[first]
    return is_key(name) or (first in names and last in names) or name in names


def resolves(name: str, document: Path) -> bool:
    """Return whether what stands in backticks exists."""
    words = name.split()
    if name in KNOWN_ELSEWHERE or words[0] in ("npu-smi", "pre-commit"):
        return True
    if words[0] == "acmix":
        return is_command(name)
    if words[0] == "pip":
        return "acmix" not in name or words[-1] in settings()
    if words[0] in ("bash", "python", "source", "pytest"):
        return is_script_call(name)
    if words[0].startswith("--"):
        return words[0].split("=")[0] in options()
    if len(words) > 1 and all(OVERRIDE.match(word) for word in words):
        return all(resolves(word, document) for word in words)
    if override := OVERRIDE.match(name):
        key = override[1]
        return is_key(key) or ("." not in key and is_known_name(key))
    if call := CALL.match(name):
        return is_dotted(call[1]) if "." in call[1] else is_known_name(call[1])
    if NAME.match(name) and is_known_name(name):
        return True
    if DOTTED.match(name) and is_dotted(name):
        return True
    if ("/" in name and " " not in name) or re.search(r"\.\w+$", name):
        return is_file(name, document) or bool(MADE.search(name)) or name in definitions()[0]
    if not {word.split("=")[0] for word in words if word.startswith("--")} <= options():
        return False
    # An expression: each of its words is known, or a placeholder in capitals or of few letters.
    parts = re.findall(r"[A-Za-z_][\w]*", name)
    return not NAME.match(name) and all(
        len(part) < 3 or part.isupper() or is_known_name(part) for part in parts
    )


def by_name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("document", DOCUMENTS, ids=by_name)
def test_names_in_backticks_exist(document):
    unknown = [name for name in quoted(document) if not resolves(name, document)]
    assert not unknown


@pytest.mark.parametrize("document", DOCUMENTS, ids=by_name)
def test_commands_in_code_blocks_parse(document):
    bad = []
    for line in code_lines(document):
        line = re.sub(r"\s+#.*$", "", line).replace("[key=value ...]", "seed=1")
        line = re.sub(r"\[(.+?)\]", r"\1", line)
        is_ours = line.startswith("acmix ")
        is_script = re.match(r"(taskset .*)?(bash|python) ", line)
        if (is_ours and not is_command(line)) or (is_script and not is_script_call(line)):
            bad.append(line)
    assert not bad


@pytest.mark.parametrize("document", DOCUMENTS, ids=by_name)
def test_imports_in_python_blocks_resolve(document):
    bad = []
    for language, body in FENCE.findall(document.read_text(encoding="utf-8")):
        if language != "python":
            continue
        for node in ast.walk(ast.parse(body)):
            if isinstance(node, ast.ImportFrom):
                bad += [a.name for a in node.names if not importable(f"{node.module}.{a.name}")]
            elif isinstance(node, ast.Import):
                bad += [a.name for a in node.names if not importable(a.name)]
    assert set(bad) <= NEED_AN_EXTRA


def test_hooks_use_the_pinned_ruff():
    (pin,) = re.findall(r"^ruff==.+$", (ROOT / "requirements-dev.txt").read_text(), re.MULTILINE)
    hooks = (ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8")
    assert re.findall(r"\[(ruff==[^\]]+)\]", hooks) == [pin, pin]


def anchors(document: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", document.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in headings}


@pytest.mark.parametrize("document", [*DOCUMENTS, ROOT / "CHANGELOG.md"], ids=by_name)
def test_links_lead_somewhere(document):
    bad = []
    text = FENCE.sub("", document.read_text(encoding="utf-8"))
    for link in re.findall(r"\]\(([^)\s]+)\)|src=\"([^\"]+)\"", text):
        link = link[0] or link[1]
        if link.startswith(("http://", "https://")):
            continue
        file, _, anchor = link.partition("#")
        target = document.parent / file if file else document
        if not target.exists() or (anchor and anchor not in anchors(target)):
            bad.append(link)
    assert not bad


def test_prose_refers_to_nothing_that_readers_lack():
    files = [*DOCUMENTS, *(ROOT / "configs").rglob("*.yaml"), *SOURCE.rglob("*.py")]
    lacking = re.compile(r"closing note|our copy|(this|the) issue (that|of)", re.IGNORECASE)
    assert not [path for path in files if lacking.search(path.read_text(encoding="utf-8"))]


@pytest.mark.parametrize(
    "name",
    [
        "docs/nowhere.md", "acmix trains CONFIG", "acmix train CONFIG data.rot=x", "acmix.layer",
        "data.on_corupt", "--no-such-option", "NoSuchClass", "no_such_function()",
        "bash scripts/nowhere.sh", "ms.no_such", "Task.no_such",
    ],
)  # fmt: skip
def test_unknown_names_are_found(name):
    assert not resolves(name, ROOT / "README.md")
