"""A run of a small segmenter whose weights are drawn, not trained, and its data."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import mindspore as ms
import numpy as np
from export.random_weights import draw_anew
from mindspore import Tensor
from PIL import Image

from acmix.config import Config, load_config
from acmix.data import create_dataset
from acmix.engine.checkpoint import Progress, save_checkpoint
from acmix.engine.identity import describe_run
from acmix.utils.modes import execution_mode
from acmix.utils.parameters import get_value, set_value
from acmix.workflows.runs import build_model

CLASSES = ("sky", "road", "蚂蚁", "never")
VALUES = (0, 3, 7, 9)
PALETTE = ((10, 20, 30), (200, 0, 0), (0, 220, 0), (1, 2, 250))
SIZES = ((24, 40), (37, 21), (33, 33))
"""Height and width of the validation images."""
KEYS = (
    "task=segmentation",
    "model.name=resnet26",
    "model.kwargs={width: 8, depths: [1, 1], out_indices: [-2, -1]}",
    "data.name=label_folder",
    "data.short_side=32",
    "data.long_side=64",
    "data.crop_size=32",
    "data.batch_size=2",
    "data.num_workers=1",
    "data.on_corrupt=unchecked",
)
HEADS = {
    "semantic_fpn": "segmenter.kwargs={neck_channels: 8, channels: 6}",
    "upernet": "segmenter.kwargs={channels: 6, auxiliary_channels: 4}",
}


class Run(NamedTuple):
    """A checkpoint in a run folder, its configuration and network, and the folder of the data."""

    config: Config
    checkpoint: Path
    model: Any
    data: Path

    @property
    def images(self) -> list[str]:
        """Return the validation images in the order of the split."""
        return sorted(map(str, (self.data / "images" / "val").iterdir()))


def write_data(root: Path) -> Path:
    """Write pairs whose class "never" no pixel has."""
    rng = np.random.default_rng(0)
    for split in ("train", "val"):
        for number, (height, width) in enumerate(SIZES):
            values = np.array(VALUES[:3], np.uint8)[rng.integers(3, size=(height, width))]
            values[: height // 3] = VALUES[number]
            values[-2:] = 255
            pixels = rng.integers(256, size=(height, width, 3), dtype=np.uint8)
            for folder, array in (("images", pixels), ("labels", values)):
                path = root / folder / split / f"{number}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(array).save(path)
    names = ", ".join(f"{k}: {name}" for k, name in zip(VALUES, CLASSES, strict=True))
    palette = [list(colour) for colour in PALETTE]
    (root / "classes.yaml").write_text(
        f"classes: {{{names}}}\npalette: {palette}\n", encoding="utf-8"
    )
    return root


def small_config(data: Path, *overrides: str, head: str = "semantic_fpn") -> Config:
    """Return the configuration of a small segmenter."""
    keys = [*KEYS, f"segmenter.name={head}", HEADS[head], f"data.root={data}", *overrides]
    return load_config(None, keys)


def make_run(folder: Path, *overrides: str, head: str = "semantic_fpn") -> Run:
    """Write data, and a run folder with one checkpoint that names its run."""
    data = write_data(folder / "data")
    config = small_config(data, *overrides, head=head)
    val = create_dataset(config.data, "val", seed=0)
    model = draw_anew(build_model(config, len(CLASSES)), np.random.default_rng(1))
    _balance(model)
    checkpoint = folder / "run" / "checkpoints" / "best.ckpt"
    checkpoint.parent.mkdir(parents=True)
    state = {parameter.name: parameter for parameter in model.get_parameters()}
    save_checkpoint(checkpoint, state, Progress(), about=describe_run(config, val, val))
    (folder / "run" / "config.yaml").write_text(config.to_yaml(), encoding="utf-8")
    return Run(config, checkpoint, model, data)


def _balance(model: Any) -> None:
    """Give all classes the same mean logit, so that each is predicted."""
    images = np.random.default_rng(2).normal(size=(1, 3, 32, 48)).astype(np.float32)
    bias = model.decode_head.classifier.conv_seg.bias
    with execution_mode(ms.PYNATIVE_MODE):
        set_value(bias, get_value(bias) - model(Tensor(images)).asnumpy().mean((0, 2, 3)))
