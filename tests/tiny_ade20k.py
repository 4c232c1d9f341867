"""A folder of ADE20K's form, of a few small images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image


def make_ade20k(root: Path, train: int = 4, val: int = 2) -> Path:
    """Write random images of two shapes, and labels from 0 to 150."""
    generator = np.random.default_rng(0)
    for split, count in (("training", train), ("validation", val)):
        images, labels = root / "images" / split, root / "annotations" / split
        for folder in (images, labels):
            folder.mkdir(parents=True)
        for i in range(count):
            height, width = ((40, 56), (50, 36))[i % 2]
            pixels = generator.integers(0, 256, (height, width, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(images / f"{i}.jpg")
            label = generator.integers(0, 151, (height, width), dtype=np.uint8)
            Image.fromarray(label).save(labels / f"{i}.png")
    return root
