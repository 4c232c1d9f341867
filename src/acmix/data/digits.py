"""Digits of scikit-learn: 1797 scans of handwritten digits, included in its wheel."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from acmix.data.samples import Samples, Split

_VAL_EVERY = 5


def digits(split: Split) -> Samples:
    """Return one split of the digits (UCI ML hand-written digits, 8 x 8 pixels, 10 classes).

    Every fifth scan of each class is held out for ``val``: a stratified split of about 80 to 20,
    independent of seeds and library versions. Scans are encoded as PNG, with their 17 grey levels
    spread over 0..255. They then use the same decoding and transforms as files of a folder.
    """
    # Imported on use, since the import takes half a second.
    from sklearn.datasets import load_digits

    scans = load_digits()
    held_out = _every_nth_of_each_class(scans.target, _VAL_EVERY)
    chosen = np.flatnonzero(held_out if split == "val" else ~held_out)
    pixels = np.rint(scans.images[chosen] * (255 / 16)).astype(np.uint8)
    encoded = [_png(scan) for scan in pixels]
    names = tuple(f"digit {i}" for i in chosen)
    return Samples(
        classes=tuple(str(name) for name in scans.target_names),
        names=names,
        keys=names,
        labels=tuple(int(label) for label in scans.target[chosen]),
        read=encoded.__getitem__,
    )


def _every_nth_of_each_class(labels: np.ndarray, n: int) -> np.ndarray:
    mask = np.zeros(len(labels), dtype=bool)
    for label in np.unique(labels):
        mask[np.flatnonzero(labels == label)[n - 1 :: n]] = True
    return mask


def _png(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG")
    return buffer.getvalue()
