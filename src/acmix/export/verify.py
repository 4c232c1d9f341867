"""Compare an exported file, or an inference form, with the network it was made from."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import mindspore as ms
import numpy as np
from mindspore import Tensor, nn

from acmix.errors import check
from acmix.export.exported import Exported
from acmix.export.outputs import Outputs, to_numpy
from acmix.export.sidecar import SideCar
from acmix.utils.modes import evaluation_mode, execution_mode

# Largest difference allowed, relative to the network's largest output (at least 1).
_TOLERANCE = {"float32": 1e-4, "float16": 5e-2}


def max_difference(
    network: nn.Cell, run: Callable[[np.ndarray], Outputs], sidecar: SideCar
) -> float:
    """Largest absolute difference on random images; a dynamic batch is tried in two sizes.

    Raises:
        UserError: It is beyond the rounding errors of the side-car's precision, or not a number.
    """
    batch = sidecar.input_shape[0]
    rng = np.random.default_rng(0)
    worst = 0.0
    with execution_mode(ms.GRAPH_MODE):
        reference = Exported(network)
        for size in (1, 3) if batch is None else (batch,):
            images = rng.standard_normal((size, *sidecar.image_shape)).astype(np.float32)
            expected = to_numpy(reference(Tensor(images)))
            difference = _checked_difference(run(images), expected, sidecar.precision, "the file")
            worst = max(worst, difference)
    return worst


def check_fused(network: nn.Cell, form: nn.Cell, image_shape: Sequence[int]) -> float:
    """Largest absolute difference of an inference form from its network on a random image.

    Args:
        network: what was given to :func:`acmix.export.fuse`. A detector is compared by what it says
            of its anchors: equal scores may be sorted either way.
        form: what came back.
        image_shape: (C, H, W).

    Raises:
        UserError: It is beyond rounding errors, or not a number.
    """
    images = np.random.default_rng(0).standard_normal((1, *image_shape)).astype(np.float32)
    with evaluation_mode(network):
        # Nobody needs the network's graph, and compiling takes longer than all the rest.
        with execution_mode(ms.PYNATIVE_MODE):
            expected = to_numpy(network(Tensor(images)))
        with execution_mode(ms.GRAPH_MODE):
            actual = to_numpy(Exported(form)(Tensor(images)))
    return _checked_difference(actual, expected, "float32", "the inference form")


def _checked_difference(actual: Outputs, expected: Outputs, precision: str, what: str) -> float:
    worst = 0.0
    for ours, theirs in zip(_as_tuple(actual), _as_tuple(expected), strict=True):
        difference = float(np.abs(ours - theirs).max())
        allowed = _TOLERANCE[precision] * max(1.0, float(np.abs(theirs).max()))
        check(
            difference <= allowed,  # False for NaN too
            f"export: {what} differs from the network by {difference:.3g}, allowed "
            f"{allowed:.3g}; nothing was written. Look for NaN in the weights; without fp16 "
            "the range is larger.",
        )
        worst = max(worst, difference)
    return worst


def _as_tuple(outputs: Outputs) -> tuple[np.ndarray, ...]:
    return outputs if isinstance(outputs, tuple) else (outputs,)
