"""Compare an exported file, or an inference form, with the original network."""

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

# Maximum share of class labels that differ: two logits may be equal up to rounding.
_DIFFERENT_LABELS = {"float32": 1e-3, "float16": 2e-2}

# Maximum difference relative to max(1, maximum absolute output of the network).
TOLERANCE = {"float32": 1e-4, "float16": 5e-2}

REMEDY = "nothing was written. Look for NaN in the weights; without fp16 the range is larger."
"""End of a message about a file that differs from its network."""


def checked_difference(actual: Outputs, expected: Outputs, precision: str, what: str) -> float:
    """Return the maximum absolute difference; of labels, the share that differs.

    Raises:
        UserError: it exceeds the tolerance of ``precision``, or is NaN.
    """
    worst = 0.0
    for output, reference in zip(_as_tuple(actual), _as_tuple(expected), strict=True):
        if reference.dtype.kind == "i":  # labels have no distance
            difference = float((output != reference).mean()) if output.size else 0.0
            allowed = _DIFFERENT_LABELS[precision]
        else:
            difference = float(np.abs(output - reference).max(initial=0))
            allowed = TOLERANCE[precision] * max(1.0, float(np.abs(reference).max(initial=0)))
        check(
            difference <= allowed,  # False for NaN too
            f"export: {what} differs from the network by {difference:.3g}, allowed "
            f"{allowed:.3g}; {REMEDY}",
        )
        worst = max(worst, difference)
    return worst


Compare = Callable[[Outputs, Outputs, str, str], float]
"""From the outputs of a file, those of its network, the precision, and what is compared to the
maximum difference, as :func:`checked_difference`."""


def max_difference(
    network: nn.Cell,
    run: Callable[[np.ndarray], Outputs],
    sidecar: SideCar,
    compare: Compare = checked_difference,
) -> float:
    """Return the maximum absolute difference on random images; of labels, the share that differs.

    A dynamic batch is tested with two sizes.

    Raises:
        UserError: the difference exceeds the tolerance of ``sidecar.precision``, or is NaN.
    """
    batch = sidecar.input_shape[0]
    rng = np.random.default_rng(0)
    worst = 0.0
    for size in (1, 3) if batch is None else (batch,):
        images = rng.standard_normal((size, *sidecar.image_shape)).astype(np.float32)
        expected = uncompiled_outputs(network, images)
        with execution_mode(ms.GRAPH_MODE):
            found = run(images)
        worst = max(worst, compare(found, expected, sidecar.precision, "the file"))
    return worst


def check_fused(network: nn.Cell, form: nn.Cell, image_shape: Sequence[int]) -> float:
    """Return the maximum absolute difference between network and inference form on a random image.

    Detectors are compared by their outputs per anchor, those of two stages also by those of their
    heads for one box, since the order of equal scores may differ.

    Args:
        network: argument of :func:`acmix.export.fuse`.
        form: its result.
        image_shape: (C, H, W).

    Raises:
        UserError: the difference exceeds the tolerance for rounding errors, or is NaN.
    """
    images = np.random.default_rng(0).standard_normal((1, *image_shape)).astype(np.float32)
    with evaluation_mode(network):
        expected, actual = (uncompiled_outputs(cell, images) for cell in (network, form))
    return checked_difference(actual, expected, "float32", "the inference form")


def uncompiled_outputs(network: nn.Cell, images: np.ndarray) -> Outputs:
    """Return a network's outputs in PyNative mode: compiling it would take most of the time.

    The file's graph, which was compiled, is thus compared with what was not.
    """
    with execution_mode(ms.PYNATIVE_MODE):
        return to_numpy(Exported(network)(Tensor(images)))


def _as_tuple(outputs: Outputs) -> tuple[np.ndarray, ...]:
    return outputs if isinstance(outputs, tuple) else (outputs,)
