"""Every segmentation recipe: two steps on a few images of ADE20K's form, and what it promises."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from models.shrunk import arguments
from tiny_ade20k import make_ade20k
from variants import exhaustive

from acmix import workflows
from acmix.config import load_config
from acmix.tools.analysis.paper import PAPER_SEGMENTERS

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted((ROOT / "configs" / "segmentation").glob("*_ade20k.yaml"))
SMALL_HEADS = {
    "semantic_fpn": {"neck_channels": 8, "channels": 8},
    "upernet": {"channels": 8, "auxiliary_channels": 8},
}
TABLE_2 = {  # steps, images a step, learning rate, decay, which parameters do not decay, power
    "semantic_fpn": (40_000, 32, 2e-4, 1e-4, "none", 0.9),
    "upernet": (160_000, 16, 6e-5, 0.01, "norms", 1.0),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make_ade20k(tmp_path_factory.mktemp("ade20k"))


@pytest.mark.parametrize("path", exhaustive(FILES, FILES[:1]), ids=lambda path: path.stem)
def test_two_steps_of_the_recipe_train(path, folder, tmp_path):
    recipe = load_config(path)
    small = arguments(recipe.model.name)
    stages = list(range(len(small["depths"])))
    kwargs = {**recipe.model.kwargs, **small, "out_indices": stages}
    config = load_config(
        path,
        [
            f"data.root={folder}",
            f"output={tmp_path / 'run'}",
            "runtime.mode=pynative",  # graphs are compiled in the tests of models and of the task
            f"model.kwargs={json.dumps(kwargs)}",
            f"segmenter.kwargs={json.dumps(SMALL_HEADS[recipe.segmenter.name])}",
            "data.short_side=32",
            "data.long_side=48",
            "data.crop_size=32",
            "data.batch_size=2",
            "data.num_workers=1",
            "schedule.warmup_steps=0",
            "train.steps=2",
            "train.eval_steps=2",
            "train.accumulate=1",
            "train.log_interval=1",
        ],
    )
    workflows.train(config)
    lines = (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
    last = json.loads(lines[-1])
    assert last["step"] == 2
    assert last["lr"] == pytest.approx(
        config.optim.lr * 2 / config.optim.lr_batch * 0.5**config.schedule.power
    )
    assert np.isfinite(last["loss"])
    assert last["grad_norm"] > 0
    assert 0 <= last["mIoU"] <= 1


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_recipe_is_that_of_table_2(path):
    config = load_config(path)
    steps, batch, lr, decay, no_decay, power = TABLE_2[config.segmenter.name]
    assert path.stem == f"{config.network_name}_{steps // 1000}k_ade20k"
    assert (config.train.steps, config.train.eval_steps) == (steps, steps // 10)
    assert config.data.batch_size * config.train.accumulate == config.optim.lr_batch == batch
    optim = config.optim
    assert (optim.name, optim.lr, optim.weight_decay) == ("adamw", lr, decay)
    assert (optim.no_decay, optim.clip_norm) == (no_decay, None)
    schedule = config.schedule
    assert (schedule.name, schedule.power, schedule.min_lr) == ("poly", power, 0)
    swin = config.segmenter.name == "upernet"
    warmup = (1500, pytest.approx(1e-6 * lr)) if swin else (0, 0)
    assert (schedule.warmup_steps, schedule.warmup_lr) == warmup
    assert config.model.drop_path_rate == (0.3 if swin else 0.1)
    data = config.data
    assert (data.name, data.short_side, data.long_side, data.crop_size) == (
        "ade20k", 512, 2048, 512,
    )  # fmt: skip
    assert data.size_divisor == (1 if swin else 32)
    assert (data.resize_ratio, data.cat_max_ratio, data.photometric) == ((0.5, 2.0), 0.75, 1)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_header_gives_source_expectation_and_command(path):
    header = path.read_text(encoding="utf-8").partition("_base_")[0]
    (row,) = [row for row in PAPER_SEGMENTERS if row.name == load_config(path).network_name]
    assert "Source: ACmix (arXiv:2111.14556), appendix B" in header
    assert f"Expected mIoU: {row.score} % (Tab. 2 of the paper, not ours)" in header
    assert header.startswith(f"# {row.label} on ADE20K")
    assert f"acmix train configs/segmentation/{path.name} data.root=FOLDER" in header
    assert re.search(rf"model\.pretrained={load_config(path).model.name}\.ckpt\n", header)


def test_every_row_of_the_paper_has_a_recipe_with_the_arguments_that_are_counted():
    recipes = {load_config(path).network_name: load_config(path).model.kwargs for path in FILES}
    assert recipes == {row.name: dict(row.arguments) for row in PAPER_SEGMENTERS}
