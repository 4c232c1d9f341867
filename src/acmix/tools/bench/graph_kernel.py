"""MindSpore's graph kernel compiler: fused operators, to be trusted only after a check.

On CPU it was seen to give gradients that are wrong, and not always the same ones (MindSpore 2.8,
groups of operators that hold a Reshape). So it is never on by default, such groups are not fused,
and :func:`check_gradients` compares before anything is measured.
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
"""Allowed norm of a gradient's difference, relative to the gradient's: AKG's exponential is good to
3e-4, which deep networks amplify, and wrong gradients are off by orders of magnitude."""
_FLAGS = "--disable_cluster_ops=Reshape"
_NEGLIGIBLE = 1e-3  # of the largest gradient's norm: smaller ones are measured against this


@contextmanager
def graph_kernel() -> Iterator[None]:
    """Compile graphs with fused operators; what was compiled stays as it is."""
    ms.set_context(enable_graph_kernel=True, graph_kernel_flags=_FLAGS)
    try:
        yield
    finally:
        ms.set_context(enable_graph_kernel=False)


def check_available() -> None:
    """Raise :class:`UserError` where the graph kernel compiler cannot work, or only slowly."""
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
    """Return ``call`` whose first call, which compiles, happens under :func:`graph_kernel`."""
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
        network: in training mode; images to a float tensor or a tuple of them. Nothing in it may
            be random.
        images: float32 (B, C, H, W).
        trials: with the graph kernel; the errors seen did not occur in every run.

    Returns:
        The largest relative difference of any parameter's gradient.

    Raises:
        UserError: a gradient differs by more than :data:`TOLERANCE`; names the worst parameter.
    """
    names = [parameter.name for parameter in network.trainable_params()]
    expected = _run(_Gradients(network), images)
    scale = max(float(np.linalg.norm(gradient)) for gradient in expected)
    fused = _Gradients(network)  # a new Cell is compiled anew
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
