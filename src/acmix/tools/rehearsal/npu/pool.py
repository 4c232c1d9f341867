"""What pools of images (B, C, H, W) compute, whatever their operators are called."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from acmix.tools.rehearsal.npu.windows import Windows


def grid(shape: Sequence[int], windows: Windows, ceil_mode: bool) -> tuple[int, int]:
    """Return how many rows and columns of windows there are.

    With ``ceil_mode`` a last window may reach beyond the pads if it starts before them.
    """
    if not ceil_mode:
        return windows.grid(shape)
    found = []
    for axis in (-2, -1):
        before, after = windows.pads[2 * axis], windows.pads[2 * axis + 1]
        stride, size = windows.strides[axis], shape[axis]
        number = -(-(size + before + after - windows.reach(axis)) // stride) + 1
        found.append(number - ((number - 1) * stride >= size + before))
    high, wide = found
    return high, wide


def maximum(x: np.ndarray, windows: Windows, wanted: tuple[int, int] | None = None) -> np.ndarray:
    """Return each window's maximum."""
    return windows.of(x, _lowest(x), wanted).max(axis=(2, 3))


def first_maximum(
    x: np.ndarray, windows: Windows, wanted: tuple[int, int] | None = None
) -> np.ndarray:
    """Return where in each window its first maximum is, counted along its rows."""
    each = windows.of(x, _lowest(x), wanted)
    return each.reshape(*x.shape[:2], -1, *each.shape[4:]).argmax(axis=2)


def gradient_of_maximum(gradient: np.ndarray, x: np.ndarray, windows: Windows) -> np.ndarray:
    """Return the gradient of ``x``: that of each window goes to its first maximum."""
    rows, columns = gradient.shape[2:]
    place = first_maximum(x, windows, (rows, columns))[:, :, None]
    size = windows.kernel[0] * windows.kernel[1]
    here = np.arange(size).reshape(1, 1, size, 1, 1) == place
    each = np.where(here, gradient[:, :, None], np.zeros((), gradient.dtype))
    return windows.add_up(each.reshape(*x.shape[:2], *windows.kernel, rows, columns), x.shape)


def mean(
    x: np.ndarray,
    windows: Windows,
    wanted: tuple[int, int] | None = None,
    pads_count: bool = False,
    divisor: int = 0,
) -> np.ndarray:
    """Return each window's mean; ``divisor`` replaces the number of pixels unless it is 0."""
    total = windows.of(x, 0, wanted).sum(axis=(2, 3))
    return total / _sizes(x.shape, windows, total.shape[2:], pads_count, divisor)


def gradient_of_mean(
    gradient: np.ndarray,
    shape: Sequence[int],
    windows: Windows,
    pads_count: bool = False,
    divisor: int = 0,
) -> np.ndarray:
    """Return the gradient of an input of ``shape``: windows share theirs among their pixels."""
    sizes = _sizes(shape, windows, gradient.shape[2:], pads_count, divisor)
    share = (gradient / sizes)[:, :, None, None]
    each = np.broadcast_to(share, (*gradient.shape[:2], *windows.kernel, *gradient.shape[2:]))
    return windows.add_up(each, shape)


def _sizes(
    shape: Sequence[int],
    windows: Windows,
    wanted: Sequence[int],
    pads_count: bool,
    divisor: int,
) -> np.ndarray:
    """Return by what each window's sum is divided: (rows, columns)."""
    if divisor:
        return np.full(wanted, divisor, np.float32)
    pads = windows.pads if pads_count else (0, 0, 0, 0)
    inside = np.pad(np.ones(shape[-2:], np.float32), (pads[:2], pads[2:]), constant_values=1)
    left = [whole - own for whole, own in zip(windows.pads, pads, strict=True)]
    rest = windows._replace(pads=left)
    rows, columns = wanted
    return rest.of(inside[None, None], 0, (rows, columns)).sum(axis=(2, 3))[0, 0]


def _lowest(x: np.ndarray) -> float:
    return -np.inf if x.dtype.kind == "f" else np.iinfo(x.dtype).min
