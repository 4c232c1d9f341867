"""Results of commands that anybody may have changed: taken, or refused in one line."""

import json
from argparse import Namespace
from contextlib import nullcontext
from pathlib import Path

import pytest
from damages import answer_or_clear_error, damaged
from hypothesis import given
from hypothesis import strategies as st

from acmix.cli.commands.bench.shared import _load as load_benchmarks
from acmix.tools.analysis.counts import Count, counts_from_json, counts_to_json
from acmix.tools.analysis.plots import _curves
from acmix.tools.ascend_check.report import CheckReport, StepResult, read_report
from acmix.tools.audit.inventory import Inventory
from acmix.tools.plan.devices import find_device
from acmix.tools.saved_results import load_result
from acmix.workflows.curve import _series, read_records

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(10**320, 10**400)
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["\udce9", "\x1b[2J", "$x_{", "step", "loss", "蚂"])
)
KEYS = st.text(max_size=5) | st.sampled_from(
    ["step", "epoch", "loss", "lr", "scalars", "a.alpha", "a.beta", "size", "steps", "timings"]
)
TREES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=8,
)
RESULTS = Path(__file__).parents[2] / "docs" / "results"
COUNTS = counts_to_json([Count("swin_tiny", (224, 224), 10, 20, 30)])
CHECKS = CheckReport("Ascend", "910B", {}, (StepResult("a", "PASS", "", 1.0),)).to_json()
INVENTORY = json.dumps(
    {
        "x": {
            "operators": {"Conv2D": 1},
            "findings": {},
            "verdict": "PASS",
            "verdicts": {"O0": "PASS"},
        }
    }
)
LINE = json.dumps({"step": 1, "epoch": 1, "loss": 1.0, "scalars": {"a.alpha": 1, "a.beta": 2}})
FIGURES = "{peak_fp16: 1, peak_fp32: 1, memory: 1, per_node: 8, intra_node: 1}"


def draw_curves(file):
    for name in ("loss", "lr", "top1"):
        assert all(isinstance(n, float) for p in _series(read_records(file), name) for n in p)
    return _curves(file)


READERS = {
    "summary": (COUNTS, "s.json", lambda file: load_result(file, counts_from_json)),
    "check-ascend": (CHECKS, "c.json", read_report),
    "audit": (INVENTORY, "a.json", Inventory.load),
    "bench": (
        (RESULTS / "speed-swin-cpu.json").read_text(),
        "b.json",
        lambda file: load_benchmarks(Namespace(load=[str(file)]), None),
    ),
    "curve": (3 * f"{LINE}\n", "metrics.jsonl", draw_curves),
    "plan": (FIGURES, "d.yaml", lambda file: find_device(str(file))),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder; what a reader does not know is raised as it is, instead of a report."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("acmix.tools.saved_results.reading", lambda path: nullcontext())
        yield tmp_path_factory.mktemp("results")


def assert_shown_or_refused(folder, kind, content):
    _, name, read = READERS[kind]
    file = folder / name
    file.write_bytes(content)
    answer_or_clear_error(read, file)


@given(data=st.data())
@pytest.mark.parametrize("kind", READERS)
def test_damaged_results(folder, kind, data):
    content = data.draw(damaged(READERS[kind][0].encode()))
    assert_shown_or_refused(folder, kind, content)


@given(tree=TREES, lines=st.lists(TREES, max_size=3))
@pytest.mark.parametrize("kind", READERS)
def test_foreign_results(folder, kind, tree, lines):
    text = "\n".join(map(json.dumps, lines)) if kind == "curve" else json.dumps(tree)
    assert_shown_or_refused(folder, kind, text.encode())


@given(data=st.data())
@pytest.mark.parametrize("kind", READERS)
def test_results_with_a_value_of_another_kind(folder, kind, data):
    content = READERS[kind][0]
    if kind == "plan":
        content = json.dumps({"peak_fp16": 1, "peak_fp32": 1, "memory": 1, "per_node": 8})
    tree = json.loads(content.splitlines()[0] if kind == "curve" else content)
    node = tree
    while isinstance(node, (dict, list)) and node:
        places = list(node) if isinstance(node, dict) else list(range(len(node)))
        place = data.draw(st.sampled_from(places))
        if not isinstance(node[place], (dict, list)) or data.draw(st.booleans()):
            node[place] = data.draw(TREES)
            break
        node = node[place]
    assert_shown_or_refused(folder, kind, json.dumps(tree).encode())
