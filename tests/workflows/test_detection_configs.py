"""Every detection recipe: a step on a few images of COCO's form, and what its header promises."""

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
             "iscrowd": 0}
        )  # fmt: skip
    for split in ("train2017", "val2017"):
        (root / split).mkdir()
        for i in (1, 2):
            pixels = np.random.default_rng(i).integers(0, 256, (32, 40, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(root / split / f"{i}.png")
        (root / "annotations" / f"instances_{split}.json").write_text(json.dumps(tree))
    return root


def one_per_model() -> list[Path]:
    """One file of each model: its schedules differ in numbers that are compared below."""
    return first_of_each(FILES, lambda path: load_config(path).network_name)


def one_per_family() -> list[Path]:
    """One file of each family of backbones, with ACmix operators: these come first."""
    return first_of_each(
        one_per_model(), lambda path: model_entry(load_config(path).model.name).cls
    )


@pytest.mark.parametrize(
    "path", exhaustive(one_per_model(), one_per_family()), ids=lambda path: path.stem
)
def test_a_step_of_the_recipe_trains(path, folder, tmp_path):
    small = dict(arguments(load_config(path).model.name))
    if len(small["depths"]) < 3:
        small["out_indices"] = tuple(range(len(small["depths"])))
    config = load_config(
        path,
        [
            f"data.root={folder}",
            f"output={tmp_path / 'run'}",
            "runtime.mode=pynative",  # graphs are compiled in the tests of models and recipe
            f"model.kwargs={json.dumps(small)}",
            "detector.kwargs={channels: 8, num_convs: 1}",
            "data.short_side=[32]",
            "data.long_side=40",
            "data.size_divisor=8",
            "data.num_workers=1",
            "train.epochs=1",
            "train.accumulate=1",
            "schedule.milestones=[1]",
            "schedule.warmup_steps=0",
        ],
    )
    workflows.train(config)
    last = json.loads((tmp_path / "run" / "metrics.jsonl").read_text().splitlines()[-1])
    assert last["step"] == 1
    assert last["lr"] == pytest.approx(config.optim.lr * 2 / 16)
    assert np.isfinite(last["loss"])
    assert last["grad_norm"] > 0
    assert "bbox_mAP" in last


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_recipe_is_the_paper_s(path):
    config = load_config(path)
    assert config.data.batch_size * config.train.accumulate == config.optim.lr_batch == 16
    lr, optimizer = (1e-4, "adamw") if "pvt" in config.model.name else (0.01, "sgd")
    assert (config.optim.name, config.optim.lr) == (optimizer, lr)
    assert config.schedule.warmup_steps == 500
    epochs, milestones = {"1x": (12, (8, 11)), "3x": (36, (27, 33))}[path.stem.split("_")[-2]]
    assert config.train.epochs == epochs
    assert config.schedule.milestones == milestones
    assert (max(config.data.short_side), config.data.long_side) == (800, 1333)
    assert path.stem == f"{config.network_name}_{path.stem.split('_')[-2]}_coco"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_header_gives_source_expectation_and_command(path):
    header = path.read_text(encoding="utf-8").partition("_base_")[0]
    assert "Source: ACmix (arXiv:2111.14556)" in header
    assert re.search(r"[Ee]xpected box AP", header)
    assert f"acmix train configs/detection/{path.name} data.root=FOLDER" in header
    assert f"model.pretrained={load_config(path).model.name}.ckpt" in header


def test_every_detector_of_the_paper_has_a_recipe():
    names = {load_config(path).network_name for path in FILES}
    assert {detector.name for detector in PAPER_DETECTORS} == names
