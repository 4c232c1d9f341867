"""A run folder of a small classifier with random weights, which runs without compiling."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from PIL import Image

from acmix.config import load_config
from acmix.utils.parameters import set_value
from acmix.workflows.runs import build_model
from acmix.workflows.weights import save_model

CLASSES = ("cat", "=dog", "蚂蚁")


def make_run(folder: Path) -> Path:
    """Write configuration, class names and ``best.ckpt``."""
    config = load_config(
        None,
        [
            "model.name=resnet26",
            "model.kwargs={width: 8, depths: [1, 1]}",
            "data.name=image_folder",
            "data.image_size=16",
            "runtime.mode=pynative",
        ],
    )
    model = build_model(config, len(CLASSES))
    rng = np.random.default_rng(0)
    for parameter in model.trainable_params():
        set_value(parameter, rng.normal(0, 0.3, parameter.shape).astype(np.float32))
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text(config.to_yaml(), encoding="utf-8")
    (folder / "classes.json").write_text(json.dumps(CLASSES), encoding="utf-8")
    (folder / "checkpoints").mkdir()
    save_model(model, folder / "checkpoints" / "best.ckpt")
    return folder


def write_images(folder: Path, count: int) -> list[str]:
    """Write images of random pixels, some lying and some upright; return their paths, sorted."""
    rng = np.random.default_rng(1)
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{number:04d}.png" for number in range(count)]
    for number, path in enumerate(paths):
        pixels = rng.integers(0, 256, (20, 30, 3), dtype=np.uint8)
        Image.fromarray(pixels if number % 2 else pixels.transpose(1, 0, 2)).save(path)
    return [str(path) for path in paths]


def write_classes(root: Path, count: int) -> Path:
    """Write an image folder with ``count`` images of each class in each split."""
    for split in ("train", "val"):
        for name in CLASSES:
            write_images(root / split / name, count)
    return root
