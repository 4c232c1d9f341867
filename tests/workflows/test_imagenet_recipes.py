"""Every ImageNet recipe: two steps on a folder of a few images, and what its header promises."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from _pytest.mark import ParameterSet
from models import shrunk
from PIL import Image
from variants import exhaustive, first_of_each

from acmix import workflows
from acmix.config import Config, load_config
from acmix.models.registry import model_entry

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted((ROOT / "configs" / "imagenet").glob("*.yaml"))


def name_of(value: Path | str) -> str:
    return value if isinstance(value, str) else value.stem


def flat(name: str) -> dict:
    """Arguments of a narrow model with one block a stage: what it computes is tested elsewhere."""
    small = shrunk.shallow(name)
    return {**small, "depths": (1,) * len(small["depths"])} if "depths" in small else small


def compiled_step(path: Path) -> tuple:
    """What decides which operators the compiled step has behind the network's own."""
    optim = load_config(path).optim
    return optim.name, optim.clip_norm is None


def family(path: Path) -> type:
    return model_entry(load_config(path).model.name).cls


def cases() -> list[ParameterSet]:
    """Every file in one mode; by default one of each family in PyNative, which does not compile.

    In the graph one of each kind of step: audits and rehearsals compile those of every family.
    """
    compiled = first_of_each(FILES, compiled_step)
    by_default = [(path, "pynative") for path in first_of_each(FILES, family)]
    rest = [(path, "graph" if path in compiled else "pynative") for path in FILES]
    return exhaustive(dict.fromkeys([*by_default, *rest]), by_default)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two classes of four training and two validation images, 48 x 40 pixels."""
    root = tmp_path_factory.mktemp("imagenet")
    generator = np.random.default_rng(0)
    for split, count in (("train", 2), ("val", 1)):
        for name in ("dark", "light"):
            target = root / split / name
            target.mkdir(parents=True)
            for i in range(count):
                pixels = generator.integers(0, 256, (48, 40, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(target / f"{i}.jpg")
    return root


@pytest.mark.parametrize(("path", "mode"), cases(), ids=name_of)
def test_two_steps_of_the_recipe_train(path, mode, folder, tmp_path):
    name = load_config(path).model.name
    config = load_config(
        path,
        [
            f"data.root={folder}",
            f"output={tmp_path / 'run'}",
            f"runtime.mode={mode}",
            f"model.kwargs={json.dumps(flat(name))}",
            "data.image_size=32",
            "data.batch_size=2",
            "data.eval_batch_size=2",
            "data.num_workers=1",
            "schedule.warmup_epochs=0",
            "train.epochs=1",
            "train.accumulate=1",
        ],
    )
    workflows.train(config)
    lines = (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
    last = json.loads(lines[-1])
    assert last["step"] == 2
    assert np.isfinite(last["loss"])
    assert last["grad_norm"] > 0
    assert 0 <= last["top1"] <= 1


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_header_and_model_belong_to_the_file(path):
    config = load_config(path)
    assert config.model.name == path.stem
    model_entry(config.model.name)
    header = path.read_text()
    assert f"# acmix train {path.relative_to(ROOT)} data.root=FOLDER\n" in header
    assert "Source: " in header
    assert re.search(r"Expected top-1: [78]\d\.\d % \(the paper's number, not ours\)", header)


def batch(config: Config) -> int:
    return config.data.batch_size * config.train.accumulate


# Learning rate per 512 images, decay and epochs where they are not those of the paper's appendix B,
# which are DeiT's and Swin's. Batches are powers of two.
_T2T_LITE, _T2T, _T2T_DEEP = (1e-3, 0.03, 310), (5e-4, 0.05, 310), (5e-4, 0.065, 310)
OTHER_PAPERS = {
    **dict.fromkeys(("t2t_vit_7", "t2t_vit_10", "t2t_vit_12"), _T2T_LITE),
    **dict.fromkeys(("t2t_vit_14", "t2t_vit_t_14"), _T2T),
    **dict.fromkeys(("t2t_vit_19", "t2t_vit_24", "t2t_vit_t_19", "t2t_vit_t_24"), _T2T_DEEP),
    "cvt_21": (5e-4, 0.1, 300),
}
BATCHES = {"t2t": 512, "cvt_13": 2048}
REPEATED = re.compile("(acmix_)?pvt|convit|conformer|cvt_21")


OF_DEIT_OR_RESNET = [path for path in FILES if not path.stem.startswith("contnet")]


@pytest.mark.parametrize("path", OF_DEIT_OR_RESNET, ids=lambda path: path.stem)
def test_optimisation_is_the_published_one(path):
    config = load_config(path)
    assert (config.data.image_size, config.loss.label_smoothing) == (224, 0.1)
    if config.optim.name == "sgd":
        assert (batch(config), config.optim.lr, config.train.epochs) == (256, 0.1, 100)
        assert not config.data.mixes
        assert config.data.rand_augment is None
    else:
        rate, decay, epochs = OTHER_PAPERS.get(path.stem, (5e-4, 0.05, 300))
        own = [size for name, size in BATCHES.items() if path.stem.startswith(name)]
        assert batch(config) == (own or [1024])[0]
        assert config.optim.lr == pytest.approx(rate * batch(config) / 512)
        assert (config.optim.weight_decay, config.train.epochs) == (decay, epochs)
        assert (config.data.mixup, config.data.cutmix, config.data.mix_prob) == (0.8, 1.0, 1.0)
        assert (config.data.rand_augment, config.data.rand_augment_std) == (9, 0.5)
        assert config.data.random_erasing == 0.25
        assert config.data.repeated_augmentation == (3 if REPEATED.match(path.stem) else 1)
        assert config.model.drop_path_rate > 0


@pytest.mark.parametrize(
    "path", [path for path in FILES if path.stem.startswith("contnet")], ids=lambda path: path.stem
)
def test_optimisation_is_that_of_contnet(path):
    config = load_config(path)
    assert (config.optim.name, config.optim.lr, config.optim.weight_decay) == ("adamw", 5e-4, 0.5)
    assert (config.optim.no_decay, config.optim.lr_batch) == ("1d", None)
    assert (config.schedule.warmup_epochs, config.schedule.min_lr) == (10, 0)
    assert (config.train.epochs, config.loss.label_smoothing) == (200, 0.1)
    assert (config.data.mixup, config.data.cutmix, config.data.random_erasing) == (0.8, 1.0, 0)
    assert config.model.drop_path_rate is None
