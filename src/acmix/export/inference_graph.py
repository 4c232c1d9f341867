"""Check that a compiled graph is an inference graph."""

from __future__ import annotations

from acmix.errors import check
from acmix.utils.mindir import Graph

_RANDOM = {
    *("StandardNormal", "StandardLaplace", "TruncatedNormal", "Gamma", "Poisson"),
    *("UniformReal", "UniformInt", "UniformExt", "RandExt", "RandLikeExt", "Randn", "RandInt"),
    *("Bernoulli", "BernoulliExt", "Multinomial", "RandomCategorical", "RandomChoiceWithMask"),
}
_IS_TRAINING = 5  # index in BatchNorm's inputs: x, scale, bias, mean, variance, is_training, ...


def check_inference_graph(graph: Graph) -> None:
    """Reject a graph that contains training-mode operators.

    Raises:
        UserError: the graph has dropout, draws random numbers, or normalises by batch statistics.
    """
    for node in graph.nodes:
        check(
            "Dropout" not in node.operator and node.operator not in _RANDOM,
            f"network: its evaluation graph holds the random operator {node.operator}; "
            "make it depend on self.training.",
        )
        if node.operator == "BatchNorm":
            check(
                not node.inputs[_IS_TRAINING].literal,
                "network: its evaluation graph normalises by batch statistics; "
                "leave use_batch_statistics of BatchNorm at None.",
            )
