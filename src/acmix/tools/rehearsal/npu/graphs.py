"""Graphs of the graph engine: kept when MindSpore adds them, run operator by operator.

A value of a graph is described like an operand of a launch, so that kernels are the same. GE would
fuse operators and choose formats first; this says nothing about either.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from acmix.tools.rehearsal.npu.calls import by_name, run
from acmix.tools.rehearsal.npu.operands import numpy_type, view
from acmix.tools.rehearsal.npu.registry import kernel_of_operator


@dataclass(frozen=True)
class Value:
    """A tensor of a graph.

    Attributes:
        operand: its type, shape and address; see :mod:`.operands`.
        memory: what owns the numbers; None if MindSpore does, and an operator may update them.
    """

    operand: Mapping[str, Any]
    memory: np.ndarray | None = None

    @classmethod
    def empty(cls, desc: Mapping[str, Any]) -> Value:
        """Return a value of the described type and shape, with memory of its own."""
        memory: np.ndarray = np.empty(desc["shape"], numpy_type(desc["dtype"]))
        return cls({**desc, "address": memory.ctypes.data}, memory)

    def copy(self) -> Value:
        """Return a value of the same numbers, with memory of its own."""
        copied = Value.empty({key: self.operand[key] for key in ("dtype", "shape")})
        view(copied.operand)[...] = view(self.operand)
        return copied


Outputs = dict[str, Value]
"""Values by the names that an operator gives its outputs, in their order."""


class Graph:
    """A graph that can run.

    Args:
        described: the graph as ``stand_in/ge_request.cpp`` writes it.
    """

    def __init__(self, described: Mapping[str, Any]) -> None:
        self._nodes = [_Node(node) for node in described["nodes"]]
        self._outputs: list[tuple[int, str]] = described["outputs"]
        last = {edge: number for number, node in enumerate(self._nodes) for edge in node.sources}
        kept = {number for number, _ in self._outputs}
        self._last_uses: dict[int, list[int]] = {}
        for source, user in last.items():
            if source not in kept:
                self._last_uses.setdefault(user, []).append(source)

    def run(self, inputs: Sequence[Value]) -> list[Value]:
        """Return the graph's outputs.

        Raises:
            ValueError: an operator failed; the text names it.
        """
        made: dict[int, Outputs] = {}
        for number, node in enumerate(self._nodes):
            made[number] = node.run(made, inputs)
            for source in self._last_uses.get(number, ()):
                del made[source]
        return [_output(made[number], port) for number, port in self._outputs]


class _Node:
    """An operator of a graph, whose inputs are outputs of others by their numbers."""

    def __init__(self, described: Mapping[str, Any]) -> None:
        self.type: str = described["op"]
        self.name: str = described["node"]
        self.edges = [one for one in described["in"] if one["from"] is not None]
        self.descs = {one["name"]: one for one in described["out"]}
        self.attributes: Mapping[str, Any] = described["attrs"]
        self.graphs = {name: Graph(graph) for name, graph in described["graphs"].items()}
        self._constant = self._read_constant() if self.type in ("Const", "Constant") else None

    @property
    def sources(self) -> set[int]:
        return {edge["from"] for edge in self.edges}

    def run(self, made: Mapping[int, Outputs], arguments: Sequence[Value]) -> Outputs:
        """Return the outputs, given those of other nodes and the inputs of the graph."""
        try:
            inputs = {one["name"]: _output(made[one["from"]], one["port"]) for one in self.edges}
            return self._outputs(inputs, arguments)
        except Exception as error:
            raise ValueError(f"{self.type} '{self.name}': {error}") from error

    def _outputs(self, inputs: dict[str, Value], arguments: Sequence[Value]) -> Outputs:
        if self._constant:
            return {"y": self._constant}
        if self.type in ("Data", "RefData"):
            return {"y": arguments[self.attributes["index"]]}
        if self.type == "NoOp":
            return {}
        if self.type in ("Identity", "IdentityN"):
            return dict(_named(_copies(inputs.values()), "y", self.type == "IdentityN"))
        if self.type == "If":
            return self._branch(inputs)
        return self._computed(inputs)

    def _read_constant(self) -> Value:
        return Value(self.attributes["value"]).copy()

    def _branch(self, inputs: dict[str, Value]) -> Outputs:
        chosen = "then_branch" if view(inputs.pop("cond").operand).any() else "else_branch"
        return dict(_named(self.graphs[chosen].run(list(inputs.values())), "output", True))

    def _computed(self, inputs: dict[str, Value]) -> Outputs:
        kernel = kernel_of_operator(self.type)
        outputs = {}
        for name in kernel.names_of_outputs(self.descs):
            if name in kernel.updated:
                if inputs[name].memory is not None:
                    raise ValueError(f"{name} is updated, and is no parameter")
                outputs[name] = inputs[name]
            elif name in self.descs:
                outputs[name] = Value.empty(self.descs[name])
        operands = [{**value.operand, "name": name} for name, value in inputs.items()]
        targets = {name: value.operand for name, value in outputs.items()}
        run(kernel, by_name(kernel, operands), self.attributes, targets)
        return outputs


def _output(outputs: Outputs, port: str) -> Value:
    """Return an output by its name; an empty one means the first."""
    return outputs[port] if port else next(iter(outputs.values()))


def _copies(values: Any) -> Iterator[Value]:
    """Yield values that no later update changes."""
    for value in values:
        yield value.copy() if value.memory is None else value


def _named(values: Any, name: str, numbered: bool) -> Iterator[tuple[str, Value]]:
    for i, value in enumerate(values):
        yield f"{name}{i}" if numbered else name, value


_GRAPHS: dict[int, Graph] = {}


def serve(call: Mapping[str, Any]) -> None:
    """Keep a graph (``AddGraph``) or run one that was added (``RunGraph``).

    Raises:
        ValueError: an operator failed, an output has another type than MindSpore expects, or the
            graph could not be added, which MindSpore does not mind.
    """
    if call["op"] == "AddGraph":
        _GRAPHS[call["id"]] = Graph(call["graph"])
        return
    if call["id"] not in _GRAPHS:
        raise ValueError(f"graph {call['id']} was not added")
    results = _GRAPHS[call["id"]].run([Value(one) for one in call["in"]])
    for i, (target, result) in enumerate(zip(call["out"], results, strict=True)):
        if target["dtype"] != result.operand["dtype"]:
            raise ValueError(
                f"output {i} is of aclDataType {result.operand['dtype']}, "
                f"and MindSpore expects {target['dtype']}"
            )
        if target["address"] != result.operand["address"]:
            view(target)[...] = view(result.operand).reshape(target["shape"])
