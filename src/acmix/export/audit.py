"""Which operators an exported graph holds, and the ones inference must not hold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from acmix.errors import check

_RANDOM = {
    *("StandardNormal", "StandardLaplace", "TruncatedNormal", "Gamma", "Poisson"),
    *("UniformReal", "UniformInt", "UniformExt", "RandExt", "RandLikeExt", "Randn", "RandInt"),
    *("Bernoulli", "BernoulliExt", "Multinomial", "RandomCategorical", "RandomChoiceWithMask"),
}
_IS_TRAINING = 5  # inputs of BatchNorm: x, scale, bias, mean, variance, is_training, ...


def count_operators(model: Any) -> Counter[str]:
    """Count the primitives of a MindIR ``ModelProto`` by type."""
    return Counter(operator for operator, _ in _operator_nodes(model))


def check_inference_graph(model: Any) -> None:
    """Refuse a graph that would not compute the evaluation-mode network.

    Raises:
        UserError: It drops out, draws random numbers, or normalises by batch statistics.
    """
    constants = {node.output[0]: node for node in _nodes(model) if node.op_type == "Constant"}
    for operator, node in _operator_nodes(model):
        check(
            "Dropout" not in operator and operator not in _RANDOM,
            f"network: its evaluation graph holds the random operator {operator}; "
            "make it depend on self.training.",
        )
        if operator == "BatchNorm" and (flag := constants.get(node.input[_IS_TRAINING])):
            check(
                flag.attribute[0].i == 0,
                "network: its evaluation graph normalises by batch statistics; "
                "leave use_batch_statistics of BatchNorm at None.",
            )


def _nodes(model: Any) -> Iterator[Any]:
    for graph in (model.graph, *model.functions):
        yield from graph.node


def _operator_nodes(model: Any) -> Iterator[tuple[str, Any]]:
    """Nodes that call a primitive; these name it as ``REF::<key of model.primitives>``."""
    types = {f"REF::{primitive.name}": primitive.op_type for primitive in model.primitives}
    for node in _nodes(model):
        if node.op_type in types:
            yield types[node.op_type], node
