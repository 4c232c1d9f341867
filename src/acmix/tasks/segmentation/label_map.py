"""Label maps at the size of the original image from logits of any size, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from acmix.ops.resample import bilinear_matrix

Shape = tuple[int, int]
"""Height and width in pixels."""

_STRIP_BYTES = 2**26
"""Logits at the original size that are held at once: those of 150 classes and a whole photograph
take gigabytes."""


@dataclass(frozen=True)
class View:
    """Logits of one input of the network that was made of an image.

    Attributes:
        logits: (K, h, w) float32, of any resolution.
        network_size: height and width of the network's input.
        valid: height and width of the image in it, at the top on the left; the rest is padding.
        mirrored: whether the input was mirrored.
    """

    logits: np.ndarray
    network_size: Shape
    valid: Shape
    mirrored: bool = False


def labels_of(views: Sequence[View], original_size: Shape) -> np.ndarray:
    """Return the class of the largest mean probability over views of an image.

    Logits are resized to the network's input, cut to the image in it, resized to the original
    size, both bilinearly with pixel centres aligned (torch's ``align_corners=False``), then
    compared, as public code does. Of several views, the probabilities at the original size are
    added; a single one needs none.

    Args:
        views: of the image, with K <= 255 classes.
        original_size: height and width of the image file.

    Returns:
        (H, W), uint8.
    """
    labels = np.empty(original_size, np.uint8)
    strips = [_strips(view, original_size, len(views)) for view in views]
    top = 0
    for parts in zip(*strips, strict=True):
        best = parts[0] if len(parts) == 1 else np.sum([*map(_softmax, parts)], axis=0)
        labels[top : top + len(best)] = best.argmax(axis=-1)
        top += len(best)
    return labels


def resize(maps: np.ndarray, size: Shape) -> np.ndarray:
    """Resize (K, h, w) bilinearly to (K, *size), pixel centres aligned."""
    rows, columns = (
        bilinear_matrix(source, target, source / target)
        for source, target in zip(maps.shape[1:], size, strict=True)
    )
    return rows @ (maps.astype(np.float32, copy=False) @ columns.T)


def _strips(view: View, original_size: Shape, views: int) -> Iterator[np.ndarray]:
    """Yield the logits of some rows after others, each (rows, W, K)."""
    rows, columns = (
        _two_resizings(*sizes)
        for sizes in zip(
            view.logits.shape[1:], view.network_size, view.valid, original_size, strict=True
        )
    )
    if view.mirrored:
        columns = columns[::-1]
    height, width = original_size
    step = max(1, _STRIP_BYTES // (4 * width * len(view.logits) * views))
    for top in range(0, height, step):
        weights = rows[top : top + step]
        used = np.flatnonzero(weights.any(axis=0))
        band = slice(used[0], used[-1] + 1)
        # Classes last: their largest is then found in memory that lies together.
        source = np.ascontiguousarray(view.logits[:, band].transpose(1, 2, 0), np.float32)
        wide = np.matmul(columns, source)
        strip = weights[:, band] @ wide.reshape(len(source), -1)
        yield strip.reshape(len(weights), width, -1)


def _two_resizings(source: int, network: int, valid: int, original: int) -> np.ndarray:
    """Return the matrix (original, source) of both resizings of a line, the cut between them."""
    first = bilinear_matrix(source, network, source / network)
    second = bilinear_matrix(valid, original, valid / original)
    return second @ first[:valid]


def _softmax(logits: np.ndarray) -> np.ndarray:
    shifted = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return shifted / shifted.sum(axis=-1, keepdims=True)
