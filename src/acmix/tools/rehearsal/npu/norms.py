"""What normalisations share, whatever their operators are called."""

from __future__ import annotations

import numpy as np


def gradients_of_layer_norm(
    gradient: np.ndarray, x: np.ndarray, mean: np.ndarray, rstd: np.ndarray, gamma: np.ndarray
) -> tuple[np.ndarray, ...]:
    """Return the gradients of x, gamma and beta, normalised over the axes of ``gamma``.

    ``rstd`` is 1 / sqrt(variance + epsilon).
    """
    inner, outer = tuple(range(x.ndim - gamma.ndim, x.ndim)), tuple(range(x.ndim - gamma.ndim))
    normalized, scaled = (x - mean) * rstd, gradient * gamma
    along = normalized * (scaled * normalized).mean(axis=inner, keepdims=True)
    of_x = rstd * (scaled - scaled.mean(axis=inner, keepdims=True) - along)
    return of_x, (gradient * normalized).sum(axis=outer), gradient.sum(axis=outer)


def by_channel(values: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Return values of axis 1 so that they broadcast over ``x``."""
    return values.reshape(1, -1, *[1] * (x.ndim - 2))


def other_axes(x: np.ndarray) -> tuple[int, ...]:
    """Return all axes but that of the channels."""
    return (0, *range(2, x.ndim))
