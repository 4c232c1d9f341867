"""Images of another size, bilinear or nearest, and their gradients.

Both are linear along each axis: y = rows @ x @ columns^T, hence the gradient rows^T @ g @ columns.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from acmix.tools.rehearsal.npu.registry import aclnn, operator

Places = Callable[[int, int, float], np.ndarray]
"""Coordinates in an axis of a size, from how many there shall be and from a scale or 0."""


@operator("ResizeBilinearV2", "x size >y")
def resize_bilinear(
    x: np.ndarray,
    size: np.ndarray,
    *,
    align_corners: bool = False,
    half_pixel_centers: bool = False,
    dtype: int = 0,
) -> np.ndarray:
    """Return the image between pixels, of the size (H, W)."""
    return _image(x, _matrices(x.shape, size, _linear(align_corners, half_pixel_centers)))


@operator("ResizeBilinearV2Grad", "grads original_image >y")
def resize_bilinear_grad(
    gradient: np.ndarray,
    original: np.ndarray,
    *,
    align_corners: bool = False,
    half_pixel_centers: bool = False,
) -> np.ndarray:
    """Return the gradient of an image of the shape of ``original``."""
    places = _linear(align_corners, half_pixel_centers)
    return _gradient(gradient, _matrices(original.shape, gradient.shape[2:], places))


@operator("ResizeNearestNeighborV2", "x size >y")
def resize_nearest(
    x: np.ndarray,
    size: np.ndarray,
    *,
    align_corners: bool = False,
    half_pixel_centers: bool = False,
) -> np.ndarray:
    """Return the image of nearest pixels, of the size (H, W)."""
    return _taken(x, size, _nearest(align_corners, half_pixel_centers))


@operator("ResizeNearestNeighborV2Grad", "grads size >y")
def resize_nearest_grad(
    gradient: np.ndarray,
    size: np.ndarray,
    *,
    align_corners: bool = False,
    half_pixel_centers: bool = False,
) -> np.ndarray:
    """Return the gradient of an image of the size (H, W)."""
    shape = (*gradient.shape[:2], *map(int, size))
    places = _nearest(align_corners, half_pixel_centers)
    return _gradient(gradient, _matrices(shape, gradient.shape[2:], places))


@aclnn("aclnnUpsampleBilinear2d", "self size corners:bool high:double wide:double >out")
def upsample_bilinear(
    x: np.ndarray, size: Sequence[int], align_corners: bool, high: float, wide: float
) -> np.ndarray:
    """Return the image between pixels; scales that are not 0 go before the sizes' ratio."""
    places = _linear(align_corners, not align_corners)
    return _image(x, _matrices(x.shape, size, places, (high, wide)))


@aclnn(
    "aclnnUpsampleBilinear2dBackwardV2",
    "grad size input_size corners:bool high:double wide:double >out",
)
def upsample_bilinear_backward(
    gradient: np.ndarray,
    size: Sequence[int],
    shape: Sequence[int],
    align_corners: bool,
    high: float,
    wide: float,
) -> np.ndarray:
    """Return the gradient of an image of ``shape``."""
    places = _linear(align_corners, not align_corners)
    return _gradient(gradient, _matrices(shape, size, places, (high, wide)))


@aclnn("aclnnUpsampleNearest2d", "self size >out")
def upsample_nearest(x: np.ndarray, size: Sequence[int]) -> np.ndarray:
    """Return the image of the pixels at floor(i * H / H')."""
    return _taken(x, size, _nearest(False, False))


@aclnn("aclnnUpsampleNearest2dBackward", "grad size input_size high:double wide:double >out")
def upsample_nearest_backward(
    gradient: np.ndarray, size: Sequence[int], shape: Sequence[int], high: float, wide: float
) -> np.ndarray:
    """Return the gradient of an image of ``shape``."""
    places = _nearest(False, False)
    return _gradient(gradient, _matrices(shape, size, places, (high, wide)))


def _image(x: np.ndarray, matrices: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    rows, columns = matrices
    return rows @ x @ columns.T


def _gradient(gradient: np.ndarray, matrices: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    rows, columns = matrices
    return rows.T @ gradient @ columns


def _matrices(
    shape: Sequence[int],
    size: Sequence[int] | np.ndarray,
    places: Places,
    scales: tuple[float, float] = (0, 0),
) -> tuple[np.ndarray, np.ndarray]:
    """Return the weights of rows (H', H) and of columns (W', W) of the image's pixels."""
    high, wide = (
        _weights(places(int(wanted), own, scale), own)
        for own, wanted, scale in zip(shape[2:], size, scales, strict=True)
    )
    return high, wide


def _weights(places: np.ndarray, size: int) -> np.ndarray:
    """Return how much of each pixel of an axis is at ``places``: linear between two."""
    below = np.clip(np.floor(places).astype(np.int64), 0, size - 1)
    share = np.clip(places - below, 0, 1).astype(np.float32)
    matrix = np.zeros((len(places), size), np.float32)
    each = np.arange(len(places))
    matrix[each, below] += 1 - share
    matrix[each, np.minimum(below + 1, size - 1)] += share
    return matrix


def _taken(x: np.ndarray, size: Sequence[int] | np.ndarray, places: Places) -> np.ndarray:
    """Return the pixels of ``x`` at ``places``."""
    rows, columns = (
        places(int(wanted), own, 0).astype(np.int64)
        for own, wanted in zip(x.shape[2:], size, strict=True)
    )
    return x[:, :, rows[:, None], columns]


def _linear(align_corners: bool, half_pixel_centers: bool) -> Places:
    """Return where new pixels lie: corners on corners, centres at 0.5, or pixel 0 on pixel 0."""

    def places(count: int, size: int, scale: float) -> np.ndarray:
        each = np.arange(count, dtype=np.float32)
        if align_corners:
            return each * np.float32((size - 1) / (count - 1) if count > 1 else 0)
        step = np.float32(1 / scale if scale > 0 else size / count)
        return np.maximum((each + 0.5) * step - 0.5, 0) if half_pixel_centers else each * step

    return places


def _nearest(align_corners: bool, half_pixel_centers: bool) -> Places:
    """Return which pixels are taken: rounded if corners lie on corners, else floored."""

    def places(count: int, size: int, scale: float) -> np.ndarray:
        each = np.arange(count, dtype=np.float32)
        if align_corners:
            exact = each * np.float32((size - 1) / (count - 1) if count > 1 else 0)
            return np.minimum(np.floor(exact + 0.5), size - 1)
        step = np.float32(1 / scale if scale > 0 else size / count)
        shifted = (each + 0.5) * step if half_pixel_centers else each * step
        return np.minimum(np.floor(shifted), size - 1)

    return places
