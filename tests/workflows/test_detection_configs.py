"""Every detection recipe: two steps on images of COCO's form, and what its header promises."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from models.shrunk import arguments
from PIL import Image
from variants import exhaustive, first_of_each

from acmix import workflows
from acmix.config import load_config
from acmix.models.registry import model_entry
from acmix.tools.analysis.paper import PAPER_DETECTORS

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted((ROOT / "configs" / "detection").glob("*_coco.yaml"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two lying images with an object each; evaluation sees them again."""
    root = tmp_path_factory.mktemp("coco")
    (root / "annotations").mkdir()
    tree = {"images": [], "annotations": [], "categories": [{"id": 9, "name": "thing"}]}
    for i in (1, 2):
        tree["images"].append({"id": i, "file_name": f"{i}.png", "width": 40, "height": 32})
        tree["annotations"].append(
            {"id": i, "image_id": i, "category_id": 9, "bbox": [4, 4, 20, 20], "area": 400,
             "segmentation": [[4, 4, 24, 4, 24, 24, 4, 24]], "iscrowd": 0}
        )  # fmt: skip
    for split in ("train2017", "val2017"):
        (root / split).mkdir()
        for i in (1, 2):
            pixels = np.random.default_rng(i).integers(0, 256, (32, 40, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(root / split / f"{i}.png")
        (root / "annotations" / f"instances_{split}.json").write_text(json.dumps(tree))
    return root


RETINANET = {"channels": 8, "num_convs": 1}
MASK_RCNN = {
    "channels": 8,
    "fc_channels": 8,
    "mask_convs": 1,
    "mask_channels": 8,
    "samples": 8,
    "rpn_samples": 8,
    "top_k": 10,
    "training_top_k": 10,
    "proposals": 10,
    "training_proposals": 10,
}
SMALL = {
    "retinanet": RETINANET,
    "mask_rcnn": MASK_RCNN,
    "cascade_mask_rcnn": {**MASK_RCNN, "box_convs": 1},
}
"""Arguments of each detector."""


def one_per_family() -> list[Path]:
    """One file of each family of backbones, with ACmix operators: these come first.

    RetinaNet, the fastest, comes before the two-stage detectors. Only these have Swin's.
    """
    files = sorted(FILES, key=lambda path: load_config(path).data.masks)
    return first_of_each(files, lambda path: model_entry(load_config(path).model.name).cls)


def one_per_network():
    """The first recipe of each network, of which there are two schedules."""
    files = sorted(FILES, key=lambda path: path not in one_per_family())
    return first_of_each(files, lambda path: path.stem.rpartition("x_")[0][:-2])


@pytest.mark.parametrize(
    "path", exhaustive(one_per_network(), one_per_family()), ids=lambda path: path.stem
)
def test_two_steps_of_the_recipe_train(path, folder, tmp_path):
    recipe = load_config(path)
    small = {**recipe.model.kwargs, **arguments(recipe.model.name)}
    if len(small["depths"]) < 4:
        small["out_indices"] = tuple(range(len(small["depths"])))
    config = load_config(
        path,
        [
            f"data.root={folder}",
            f"output={tmp_path / 'run'}",
            "runtime.mode=pynative",  # graphs are compiled in the tests of models and recipe
            f"model.kwargs={json.dumps(small)}",
            f"detector.kwargs={json.dumps(SMALL[recipe.detector.name])}",
            "data.short_side=[32]",
            "data.long_side=40",
            "data.size_divisor=8",
            "data.num_workers=1",
            "train.epochs=2",
            "train.eval_interval=2",
            "train.accumulate=1",
            "schedule.milestones=[2]",
            "schedule.warmup_steps=0",
        ],
    )
    workflows.train(config)
    last = json.loads((tmp_path / "run" / "metrics.jsonl").read_text().splitlines()[-1])
    assert last["step"] == 2
    assert last["lr"] == pytest.approx(config.optim.lr * 2 / 16)
    assert np.isfinite(last["loss"])
    assert last["grad_norm"] > 0
    assert "bbox_mAP" in last
    assert ("segm_mAP" in last) == recipe.data.masks


OPTIMIZERS = {
    ("retinanet", "PVT"): ("adamw", 1e-4, 1e-4, "none"),
    ("retinanet", "ResNet"): ("sgd", 0.01, 1e-4, "1d"),
    ("retinanet", "SAN"): ("sgd", 0.01, 1e-4, "1d"),
    ("mask_rcnn", "PVT"): ("adamw", 2e-4, 1e-4, "none"),
    ("mask_rcnn", "ResNet"): ("sgd", 0.02, 1e-4, "1d"),
    ("mask_rcnn", "Swin"): ("adamw", 1e-4, 0.05, "norms"),
    ("cascade_mask_rcnn", "Swin"): ("adamw", 1e-4, 0.05, "norms"),
}
"""Name, learning rate, weight decay and who has none, by detector and family."""


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_recipe_is_the_paper_s(path):
    config = load_config(path)
    assert config.data.batch_size * config.train.accumulate == config.optim.lr_batch == 16
    family = model_entry(config.model.name).cls.__name__
    optim = config.optim
    found = (optim.name, optim.lr, optim.weight_decay, optim.no_decay)
    assert found == OPTIMIZERS[config.detector.name, family]
    assert optim.clip_norm is None
    assert config.schedule.warmup_steps == 500
    schedule = path.stem.split("_")[-2]
    epochs, milestones = {"1x": (12, (8, 11)), "3x": (36, (27, 33))}[schedule]
    assert config.train.epochs == epochs
    assert config.schedule.milestones == milestones
    assert (max(config.data.short_side), config.data.long_side) == (800, 1333)
    assert path.stem == f"{config.network_name}_{schedule}_coco"
    assert config.data.masks == (config.detector.name != "retinanet")
    if config.data.masks:
        assert config.schedule.warmup_lr == pytest.approx(optim.lr / 1000)


@pytest.mark.parametrize(
    "path", [path for path in FILES if "swin" in path.stem], ids=lambda path: path.stem
)
def test_two_stage_detectors_on_swin_are_trained_as_in_its_code(path):
    config = load_config(path)
    sides = tuple(range(480, 801, 32))
    data = config.data
    assert (data.short_side, data.crop_probability, data.hflip) == (sides, 0.5, 0.5)
    assert (data.crop_short_side, data.crop_sides) == ((400, 500, 600), (384, 600))
    rates = {"mask_rcnn_3x": 0.2, "mask_rcnn_1x": 0.1, "cascade_mask_rcnn_3x": 0.2}
    rate = rates.get(f"{config.detector.name}_{path.stem.split('_')[-2]}", 0.0)
    assert config.model.drop_path_rate == rate
    assert config.model.kwargs == {"mask_padding": False}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_header_gives_source_expectation_and_command(path):
    header = path.read_text(encoding="utf-8").partition("_base_")[0]
    in_paper = load_config(path).network_name in {row.name for row in PAPER_DETECTORS}
    assert ("Source: ACmix (arXiv:2111.14556)" in header) == in_paper
    assert re.search(r"Source: .+ \(arXiv:\d+\.\d+\)", header)
    assert re.search(r"[Ee]xpected box AP", header)
    assert f"acmix train configs/detection/{path.name} data.root=FOLDER" in header
    assert f"model.pretrained={load_config(path).model.name}.ckpt" in header


def test_every_detector_of_the_paper_has_a_recipe():
    names = {load_config(path).network_name for path in FILES}
    assert {detector.name for detector in PAPER_DETECTORS} <= names
