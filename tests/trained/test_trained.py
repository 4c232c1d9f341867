"""Trained networks are found by name wherever weights are, and are as good as the index says."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import acmix
from acmix import trained, workflows
from acmix.cli import main
from acmix.config import load_config
from acmix.errors import UserError
from acmix.tasks import get_task
from acmix.tools import keep_trained as keeping
from acmix.tools.keep_trained import keep_trained
from acmix.trained import FOLDER, trained_networks, weights_path
from acmix.utils.files import sha256_of
from acmix.utils.parameters import get_value

ROOT = Path(__file__).resolve().parents[2]
RECIPE = """
model: {name: acmix_swin_tiny, kwargs: {embed_dim: 8, depths: [1, 1], num_heads: [1, 2]}}
data: {name: digits, channels: 1, image_size: 16, batch_size: 64, num_workers: 1,
       mean: [0.5], std: [0.5], interpolation: bilinear}
schedule: {warmup_epochs: 0}
train: {epochs: 1, steps: 3}
runtime: {mode: pynative}
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A run of a few steps, its recipe, and a folder in which it is kept as ``small``."""
    root = tmp_path_factory.mktemp("trained")
    recipe = root / "recipe.yaml"
    recipe.write_text(RECIPE)
    workflows.train(load_config(recipe, [f"output={root / 'run'}"]))
    keep_trained(root / "run", "small", recipe, root / "kept")
    return root


@pytest.fixture
def kept(made, monkeypatch):
    """Make these the trained networks of the package."""
    monkeypatch.setattr(trained, "FOLDER", made / "kept")
    trained_networks.cache_clear()
    yield made
    trained_networks.cache_clear()


def test_a_name_stands_for_the_file_where_weights_are_asked_for(
    kept, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    Image.fromarray(np.full((20, 20), 90, np.uint8)).save("image.png")
    best = kept / "run" / "checkpoints" / "best.ckpt"
    expected = acmix.load(best).predict("image.png").to_dict()
    assert acmix.load("small").predict("image.png").to_dict() == expected
    assert main(["predict", "small", "image.png"]) == 0
    assert expected["classes"][0] in capsys.readouterr().out
    arguments = load_config(kept / "recipe.yaml").model.kwargs
    model = acmix.create_model("acmix_swin_tiny", in_channels=1, pretrained="small", **arguments)
    assert model.num_classes == 10
    other = acmix.create_model("acmix_swin_tiny", in_channels=1, pretrained=best, **arguments)
    for one, two in zip(model.get_parameters(), other.get_parameters(), strict=True):
        np.testing.assert_array_equal(get_value(one), get_value(two))
    assert main(["list", "--trained"]) == 0
    assert "small" in capsys.readouterr().out


def test_a_file_of_that_name_comes_first(kept, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert weights_path("small") == kept / "kept" / "small.ckpt"
    assert weights_path("other") == Path("other")
    Path("small").write_text("mine")
    assert weights_path("small") == Path("small")


def test_only_weights_are_kept_and_the_index_tells_where_they_come_from(kept):
    entry = trained_networks()["small"]
    best = kept / "run" / "checkpoints" / "best.ckpt"
    assert entry.bytes < best.stat().st_size / 2  # without AdamW's moments
    metrics = json.loads((kept / "run" / "metrics.jsonl").read_text().splitlines()[-1])
    assert (entry.metric, entry.value) == ("top-1", metrics["top1"])
    assert entry.recipe == str(kept / "recipe.yaml")
    assert entry.data == "digits"
    model = acmix.create_model(
        "acmix_swin_tiny", in_channels=1, pretrained=best,
        **load_config(kept / "recipe.yaml").model.kwargs,
    )  # fmt: skip
    assert entry.parameters == sum(parameter.size for parameter in model.trainable_params())


def test_a_damaged_file_is_told(kept, tmp_path, monkeypatch):
    (tmp_path / "index.json").write_bytes((kept / "kept" / "index.json").read_bytes())
    (tmp_path / "small.ckpt").write_bytes(b"damaged")
    monkeypatch.setattr(trained, "FOLDER", tmp_path)
    with pytest.raises(UserError, match=r"small\.ckpt is missing or damaged; install acmix again"):
        acmix.load("small")


def test_a_run_of_another_recipe_is_refused(made, tmp_path):
    other = tmp_path / "other.yaml"
    other.write_text(RECIPE.replace("steps: 3", "steps: 4").replace("pynative", "graph"))
    with pytest.raises(UserError, match=r"was not trained by .*other.yaml: train.steps differ"):
        keep_trained(made / "run", "x", other, tmp_path)


def test_files_have_a_bound(made, tmp_path, monkeypatch):
    monkeypatch.setattr(keeping, "MAX_BYTES", 1000)
    with pytest.raises(UserError, match="more than 1000; keep a smaller one"):
        keep_trained(made / "run", "x", made / "recipe.yaml", tmp_path)
    assert not list(tmp_path.iterdir())


KEPT = sorted(trained_networks())
EVALUATED = [name for name in KEPT if trained_networks()[name].data in ("digits", "shapes")]


def test_what_the_package_has_is_whole_and_small():
    entries = trained_networks().values()
    assert {entry.file for entry in entries} == {file.name for file in FOLDER.glob("*.ckpt")}
    assert all(sha256_of(FOLDER / entry.file) == entry.sha256 for entry in entries)
    assert sum(entry.bytes for entry in entries) <= keeping.MAX_BYTES
    for entry in entries:
        assert load_config(ROOT / entry.recipe).network_name == entry.network


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", EVALUATED)
def test_the_metric_is_that_of_the_index(name):
    entry = trained_networks()[name]
    config = load_config(ROOT / entry.recipe)
    metric, _ = workflows.evaluate(config, weights_path(name))
    (key,) = [key for key, title in get_task(config.task).headline.items() if title == entry.metric]
    assert metric.compute()[key] == pytest.approx(entry.value, abs=3e-3)  # of one image
