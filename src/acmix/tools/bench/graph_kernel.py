"""MindSpore's graph kernel compiler, which fuses operators, and a check of its gradients.

On CPU it produces wrong gradients that vary between runs (MindSpore 2.8, fused groups with a
Reshape). It is therefore off by default and does not fuse such groups. :func:`check_gradients`
compares gradients before a measurement.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec

import mindspore as ms
import numpy as np
from mindspore import Tensor, nn, ops

from acmix.errors import check
from acmix.utils.target import current_target

TOLERANCE = 2e-2
"""Allowed norm of a gradient's difference, relative to the gradient's. AKG's exponential
is accurate to 3e-4, which deep networks amplify; wrong gradients differ by orders of magnitude."""
_FLAGS = "--disable_cluster_ops=Reshape"
_NEGLIGIBLE = 1e-3  # of the largest gradient's norm; floor of the denominator


@contextmanager
def graph_kernel() -> Iterator[None]:
    """Compile graphs with fused operators; compiled graphs stay unchanged."""
    ms.set_context(enable_graph_kernel=True, graph_kernel_flags=_FLAGS)
    try:
        yield
    finally:
        ms.set_context(enable_graph_kernel=False)


def check_available() -> None:
    """Raise :class:`UserError` if the graph kernel compiler cannot run here, or only slowly."""
    check(
        find_spec("decorator") is not None,
        "graph kernel: its compiler AKG needs the package decorator: pip install acmix[akg]",
    )
    check(
        os.environ.get("OMP_WAIT_POLICY", "").lower() == "passive"
        or os.environ.get("OMP_NUM_THREADS") == "1"
        or current_target().name != "CPU",
        "graph kernel: spinning OpenMP threads make it slower than doing without; set "
        "OMP_WAIT_POLICY=passive before Python starts.",
    )


def compiled_by_graph_kernel(call: Callable[[], object]) -> Callable[[], object]:
    """Return ``call``, with its first, compiling call inside of :func:`graph_kernel`."""
    compiled = False

    def fused() -> object:
        nonlocal compiled
        if compiled:
            return call()
        with graph_kernel():
            result = call()
        compiled = True
        return result

    return fused


def check_gradients(network: nn.Cell, images: np.ndarray, trials: int = 3) -> float:
    """Compare one batch's gradients with those compiled without the graph kernel.

    Args:
        network: in training mode and deterministic; maps images to a float tensor or a tuple
            of them.
        images: float32 (B, C, H, W).
        trials: runs with the graph kernel; known errors do not occur in every run.

    Returns:
        The largest relative difference of any parameter's gradient.

    Raises:
        UserError: a gradient differs by more than :data:`TOLERANCE`; with the worst parameter.
    """
    names = [parameter.name for parameter in network.trainable_params()]
    expected = _run(_Gradients(network), images)
    scale = max(float(np.linalg.norm(gradient)) for gradient in expected)
    fused = _Gradients(network)  # a new Cell, so that it compiles again
    worst, where, wrong = 0.0, "", 0
    for _ in range(trials):
        with graph_kernel():
            actual = _run(fused, images)
        for name, ours, theirs in zip(names, actual, expected, strict=True):
            norm = max(float(np.linalg.norm(theirs)), _NEGLIGIBLE * scale)
            difference = float(np.linalg.norm(ours.astype(np.float64) - theirs) / norm)
            if np.isnan(difference):
                difference = np.inf
            wrong += difference > TOLERANCE
            if difference > worst:
                worst, where = difference, name
    check(
        wrong == 0,
        f"graph kernel: {wrong} of {trials * len(names)} gradients are wrong, the worst, of "
        f"{where}, by {worst:.2g} of its norm; do without --gain graph-kernel.",
    )
    return worst


def _run(gradients: nn.Cell, images: np.ndarray) -> list[np.ndarray]:
    return [gradient.asnumpy() for gradient in gradients(Tensor(images))]


class _Gradients(nn.Cell):
    def __init__(self, network: nn.Cell):
        super().__init__(auto_prefix=False)
        self.energy = _Energy(network)
        self.parameters = ms.ParameterTuple(network.trainable_params())
        self.gradient = ops.GradOperation(get_by_list=True)

    def construct(self, images: Tensor) -> tuple[Tensor, ...]:
        return self.gradient(self.energy, self.parameters)(images)


class _Energy(nn.Cell):
    def __init__(self, network: nn.Cell):
        super().__init__(auto_prefix=False)
        self.network = network

    def construct(self, images: Tensor) -> Tensor:
        outputs = self.network(images)
        if not isinstance(outputs, tuple):
            outputs = (outputs,)
        total = ops.zeros((), ms.float32)
        for output in outputs:
            total = total + ops.ReduceSum()(ops.square(output))
        return total
