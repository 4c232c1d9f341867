"""Makes pairs of images and label files for the tests of acmix.data."""

from __future__ import annotations

import io

import numpy as np
from image_files import encode, pattern
from PIL import Image

from acmix.config import SegmentationDataConfig

CLASSES = ("ground", "block", "post")


def label_map(height, width, seed=0, classes=3) -> np.ndarray:
    """Blocks of classes with some ignored pixels: (H, W) uint8."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(classes, size=(-(-height // 4), -(-width // 4)), dtype=np.uint8)
    labels = np.kron(coarse, np.ones((4, 4), np.uint8))[:height, :width]
    labels[0, : width // 3] = 255
    return labels


def png(values, mode=None, **options) -> bytes:
    """Encode a label map; ``mode`` ``P`` with a palette whose colours say nothing of the index."""
    image = Image.fromarray(values)
    if mode == "P":
        image.putpalette(np.random.default_rng(0).integers(256, size=768, dtype=np.uint8).tobytes())
    buffer = io.BytesIO()
    image.save(buffer, "PNG", **options)
    return buffer.getvalue()


def write_pair(root, images, labels, name, size=(20, 28), seed=0, values=None):
    """Write ROOT/IMAGES/NAME.png and ROOT/LABELS/NAME.png."""
    for folder, content in (
        (images, encode(pattern(*size, seed=seed))),
        (labels, png(label_map(*size, seed) if values is None else values)),
    ):
        path = root / folder / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def make_pairs(root, counts=None, size=(20, 28)):
    """Write a ``label_folder`` with sub-folders; every pair is different."""
    seed = 0
    for split, count in (counts or {"train": 6, "val": 3}).items():
        for index in range(count):
            name = f"{'ab'[index % 2]}/{index}"
            write_pair(root, f"images/{split}", f"labels/{split}", name, size, seed)
            seed += 1
    (root / "classes.txt").write_text("\n".join(CLASSES))
    return root


def pair_config(folder, **changes) -> SegmentationDataConfig:
    settings = {
        "name": "label_folder", "root": str(folder), "short_side": 24, "long_side": 64,
        "crop_size": 16, "batch_size": 2, "num_workers": 1,
    }  # fmt: skip
    return SegmentationDataConfig(**settings | changes)
