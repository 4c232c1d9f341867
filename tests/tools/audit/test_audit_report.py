"""What an audit prints and writes, and when it passes."""

import json

import mindspore as ms
import pytest
from mindspore import Tensor, nn, ops

from acmix.errors import UserError
from acmix.tools.audit.audit import audit_graph
from acmix.tools.audit.inventory import Inventory
from acmix.tools.audit.report import Audit
from acmix.tools.graphs import graph_of
from acmix.utils.mindir import Graph


class Net(nn.Cell):
    def __init__(self, operator):
        super().__init__()
        self.fc = nn.Dense(32, 16)
        self.operator = operator

    def construct(self, x):
        return self.operator(self.fc(x))


def audited(operator=ops.relu) -> Audit:
    graph = graph_of(Net(operator), [Tensor(shape=(16, 32), dtype=ms.float32)])
    return audit_graph(graph, "tiny")


def long(x):
    return x.astype(ms.int64)


def unknown(x):
    return ops.Einsum("ij->ji")((x,))


@pytest.mark.parametrize(
    ("operator", "verdict", "passes", "passes_strictly"),
    [
        (ops.relu, "PASS", True, True),
        (long, "REVIEW", True, False),
        (unknown, "FAIL", False, False),
    ],
)
def test_the_worst_verdict_decides(operator, verdict, passes, passes_strictly):
    result = audited(operator)
    assert result.verdict.value == verdict
    assert result.passed() == passes
    assert result.passed(strict=True) == passes_strictly


def test_the_report_names_operators_evidence_and_what_it_does_not_prove():
    text = audited(long).render()
    assert "tiny: REVIEW (O0 REVIEW, O2 REVIEW, AIR REVIEW)." in text
    assert "registered for Ascend in MindSpore 2.8.0" in text
    assert "Nothing was run on Ascend" in text
    assert "REVIEW at every level, int64: Cast gives int64 (1 places" in text
    (line,) = [line for line in text.splitlines() if line.startswith("MatMul ")]
    assert line.split()[:9] == ["MatMul", "1", "PASS", *4 * ["yes"], "aclnn", "GE"]
    assert "| MatMul | 1 | PASS |" in audited().render("markdown")


def test_sizes_are_those_of_weights():
    assert audited().parameter_bytes == 4 * (32 * 16 + 16)


def test_json_holds_the_evidence():
    content = json.loads(audited(unknown).to_json())
    assert content["verdict"] == "FAIL"
    (entry,) = [entry for entry in content["operators"] if entry["name"] == "Einsum"]
    assert entry["verdict"] == "FAIL"
    assert entry["evidence"]["platforms"] == ["GPU"]


def test_a_graph_of_another_mindspore_is_pointed_out():
    text = audit_graph(Graph("2.3.0", (), (), (), ()), "old").render()
    assert "made by MindSpore 2.3.0, the lists are of 2.8.0" in text


def test_inventories_are_kept_and_shown_as_one_table(tmp_path):
    first = Inventory.of({"a": audited()})
    second = Inventory.of({"b": audited(long)})
    (tmp_path / "first.json").write_text(first.to_json())
    (tmp_path / "second.json").write_text(second.to_json())
    both = Inventory.load(tmp_path)
    assert both.graphs == {**first.graphs, **second.graphs}
    table = both.render("markdown")
    assert (
        "2 graphs: 1 PASS, 1 REVIEW. By level: O0 1 PASS, 1 REVIEW; O2 1 PASS, 1 REVIEW; AIR 1"
        in table
    )
    assert "| MatMul | 2 | 2 | PASS |" in table
    assert "| REVIEW at every level, int64: Cast gives int64 | 1 |" in table


@pytest.mark.parametrize(("name", "message"), [("no.json", "does not exist"), ("", "no .json")])
def test_missing_inventories_are_named(name, message, tmp_path):
    with pytest.raises(UserError, match=message):
        Inventory.load(tmp_path / name if name else tmp_path)


def test_a_file_that_is_no_inventory_is_named(tmp_path):
    (tmp_path / "x.json").write_text("nonsense")
    with pytest.raises(UserError, match=r"x\.json: this is not an inventory"):
        Inventory.load(tmp_path / "x.json")
