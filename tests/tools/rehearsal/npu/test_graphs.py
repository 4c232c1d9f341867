"""Graphs of the graph engine, written as the stand-ins write them: constants, branches, updates."""

import json
import weakref

import numpy as np
import pytest
from calls import tensor

from acmix.tools.rehearsal.npu import graphs
from acmix.tools.rehearsal.npu.device import compute


class Nodes:
    """A graph in the making: each method adds a node and returns its number."""

    def __init__(self):
        self.nodes = []

    def add(self, op, inputs=(), outputs=(), attrs=None, made=None, graphs=None):
        found = [
            {"name": name, "from": source, "port": port}
            for name, (source, port) in dict(inputs).items()
        ]
        described = [{"name": name, **desc_of(array)} for name, array in dict(outputs).items()]
        self.nodes.append(
            {"op": op, "node": f"{op}-{len(self.nodes)}", "in": found, "out": described}
            | {"attrs": attrs or {}, "graphs": graphs or {}}
        )
        return len(self.nodes) - 1

    def data(self, index, op="Data"):
        return self.add(op, attrs={"index": index}), "y"

    def as_graph(self, *outputs):
        return {"nodes": self.nodes, "outputs": [list(one) for one in outputs]}


def desc_of(array):
    return {key: value for key, value in tensor(array).items() if key in ("dtype", "shape")}


def run(graph, inputs, outputs):
    """Add and run a graph; return what failed, or an empty text."""
    answer = compute(json.dumps({"kind": "ge", "op": "AddGraph", "id": 1, "graph": graph}))
    call = {"in": [tensor(one) for one in inputs], "out": [tensor(one) for one in outputs]}
    return answer or compute(json.dumps({"kind": "ge", "op": "RunGraph", "id": 1, **call}))


X = np.array([1.0, -2.0], np.float32)


def test_constants_are_copied_when_the_graph_comes():
    nodes, value, y = Nodes(), np.array([10, 20], np.float32), np.empty(2, np.float32)
    constant = nodes.add("Const", attrs={"value": tensor(value)}), "y"
    total = nodes.add("Add", {"x1": nodes.data(0), "x2": constant}, {"y": y})
    graph = nodes.as_graph((total, ""))
    compute(json.dumps({"kind": "ge", "op": "AddGraph", "id": 1, "graph": graph}))
    value[:] = 0  # MindSpore may free it
    call = {"in": [tensor(X)], "out": [tensor(y)]}
    assert compute(json.dumps({"kind": "ge", "op": "RunGraph", "id": 1, **call})) == ""
    np.testing.assert_array_equal(y, [11, 18])


@pytest.mark.parametrize(("cond", "expected"), [(True, [2, -4]), (False, [1, -2])])
def test_a_branch_runs_the_graph_that_its_condition_chooses(cond, expected):
    doubled = Nodes()
    x = doubled.data(0)
    branches = {
        "then_branch": doubled.as_graph((doubled.add("Add", {"x1": x, "x2": x}, {"y": X}), "y"))
    }
    same = Nodes()
    branches["else_branch"] = same.as_graph(same.data(0))
    nodes, y = Nodes(), np.empty(2, np.float32)
    inputs = {"cond": nodes.data(0), "input0": nodes.data(1)}
    chosen = nodes.add("If", inputs, {"output0": y}, graphs=branches)
    assert run(nodes.as_graph((chosen, "output0")), [np.array(cond), X], [y]) == ""
    np.testing.assert_array_equal(y, expected)


def test_a_parameter_is_updated_in_place_and_what_was_read_before_stays():
    parameter, y = X.copy(), np.empty(2, np.float32)
    nodes = Nodes()
    ref = nodes.data(0, "RefData")
    read = nodes.add("Identity", {"x": ref}, {"y": y}), "y"
    nodes.add("AssignAdd", {"ref": ref, "value": nodes.data(1)}, {"ref": y})
    assert run(nodes.as_graph(read), [parameter, np.ones(2, np.float32)], [y]) == ""
    np.testing.assert_array_equal(parameter, X + 1)
    np.testing.assert_array_equal(y, X)


def test_what_is_no_parameter_is_not_updated():
    nodes, y = Nodes(), np.empty(2, np.float32)
    x = nodes.data(0)
    made = nodes.add("Add", {"x1": x, "x2": x}, {"y": y}), "y"
    wrong = nodes.add("Assign", {"ref": made, "value": x}, {"ref": y})
    answer = run(nodes.as_graph((wrong, "ref")), [X], [y])
    assert (
        answer == "software NPU: RunGraph: Assign 'Assign-2': ref is updated, and is no parameter"
    )


def test_an_operator_that_is_not_known_fails_by_its_name_and_place():
    nodes, y = Nodes(), np.empty(2, np.float32)
    wrong = nodes.add("NoSuch", {"x": nodes.data(0)}, {"y": y})
    answer = run(nodes.as_graph((wrong, "")), [X], [y])
    assert (
        answer == "software NPU: RunGraph: NoSuch 'NoSuch-1': the software NPU has no such operator"
    )


def test_an_output_of_another_type_is_refused():
    nodes, y = Nodes(), np.empty(2, np.int32)
    answer = run(nodes.as_graph(nodes.data(0)), [X], [y])
    assert answer.endswith("output 0 is of aclDataType 0, and MindSpore expects 3")


def test_values_are_dropped_after_their_last_use(monkeypatch):
    """A step of a network would keep all its activations otherwise."""
    alive, most = set(), 0

    def empty(desc):
        nonlocal most
        value = original(desc)
        alive.add(id(value.memory))
        most = max(most, len(alive))
        weakrefs.append(weakref.finalize(value, alive.discard, id(value.memory)))
        return value

    weakrefs, original = [], graphs.Value.empty
    monkeypatch.setattr(graphs.Value, "empty", staticmethod(empty))
    nodes, y = Nodes(), np.empty(2, np.float32)
    last = nodes.data(0)
    for _ in range(20):
        last = nodes.add("Relu", {"x": last}, {"y": y}), "y"
    assert run(nodes.as_graph(last), [X], [y]) == ""
    assert most <= 3
    np.testing.assert_array_equal(y, [1, 0])
