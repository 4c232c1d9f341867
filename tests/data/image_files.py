"""Makes image files for the tests of acmix.data."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from acmix.config import ClassificationDataConfig


def pattern(height: int, width: int, seed: int = 0) -> np.ndarray:
    """A smooth colour picture: (H, W, 3), uint8."""
    phase = np.random.default_rng(seed).uniform(0, 6, size=(3, 2))
    rows, columns = np.mgrid[:height, :width]
    planes = [np.sin(rows / 5 + a) + np.cos(columns / 7 + b) for a, b in phase]
    return ((np.stack(planes, axis=-1) + 2) * 63).astype(np.uint8)


def encode(pixels: np.ndarray, file_format: str = "PNG", **options) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format=file_format, **options)
    return buffer.getvalue()


def make_folder(root, per_class=None, size=(10, 12), splits=("train", "val")):
    """Write root/<split>/<class>/<n>.png; every picture is different."""
    per_class = per_class or {"ant": 5, "bee": 4}
    seed = 0
    for split in splits:
        for name, count in per_class.items():
            folder = root / split / name
            folder.mkdir(parents=True)
            for index in range(count):
                (folder / f"{index}.png").write_bytes(encode(pattern(*size, seed=seed)))
                seed += 1
    return root


def folder_config(root, **changes) -> ClassificationDataConfig:
    settings = {"root": str(root), "image_size": 8, "batch_size": 2, "num_workers": 1} | changes
    return ClassificationDataConfig(**settings)
