"""A task is a plug-in: one defined here trains, evaluates, predicts and exports like the others."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, ClassVar, Literal

import mindspore as ms
import numpy as np
import pytest
from mindspore import Tensor, ops

from acmix import create_model
from acmix.cli import main
from acmix.config import TASK_CONFIGS, Config, DataConfig
from acmix.config.run import register_task_config
from acmix.data.factory import SOURCES, Source
from acmix.data.sharded import ShardedDataset
from acmix.layers.full_precision import FullPrecision
from acmix.tasks import TASKS, Task, task_of_network
from acmix.tasks.base import Benchmark, register_task
from acmix.workflows import predict

SIZE = 8


@dataclass(frozen=True)
class BrightnessDataConfig(DataConfig, prefix="data"):
    name: Literal["grey_squares"] = "grey_squares"


@dataclass(frozen=True)
class BrightnessConfig(Config):
    networks: ClassVar[str] = "photometers"
    eval_files: ClassVar[dict[str, str]] = {"errors": "write the error of every image"}

    task: Literal["brightness"] = "brightness"
    data: BrightnessDataConfig = field(default_factory=BrightnessDataConfig)


class GreySquares(ShardedDataset):
    """Images of one brightness each, which is the target."""

    classes = ("brightness",)

    def __len__(self) -> int:
        return 2

    def _plan(self, k):
        raise NotImplementedError

    def epoch(self, k, skip_batches=0):
        rng = np.random.default_rng((self._seed, k))
        for _ in range(skip_batches, len(self)):
            targets = rng.random(self.batch_size).astype(np.float32)
            yield np.tile(targets[:, None, None, None], (1, 3, SIZE, SIZE)), targets


class SquaredError(FullPrecision):
    def __init__(self, model):
        super().__init__(auto_prefix=False)
        self.model = model

    def construct(self, images: Tensor, targets: Tensor) -> tuple[Tensor]:
        return (ops.ReduceMean()((self.model(images)[:, 0] - targets) ** 2),)


class ErrorMetric:
    def __init__(self):
        self.errors: list[float] = []

    def update(self, outputs, *targets):
        self.errors += np.abs(outputs[:, 0] - targets[0]).tolist()

    def all_reduce(self, world):
        pass

    def per_class(self):
        return np.array([np.mean(self.errors)])

    def compute(self):
        return {"accuracy": 1 - float(np.mean(self.errors))}


class BrightnessReader:
    def read(self, path):
        return np.full((3, SIZE, SIZE), float(path), np.float32), None

    def interpret(self, path, outputs, context):
        return SimpleNamespace(image=path, brightness=float(outputs[0]))


class BrightnessTask(Task):
    config_class = BrightnessConfig
    benchmark = Benchmark(num_classes=1, training_images=64, image_size=(SIZE, SIZE))
    headline: ClassVar[dict[str, str]] = {"accuracy": "1 - mean error"}

    def create(self, name: str, **arguments: Any):
        return create_model(name, num_classes=1, **arguments)

    def network_keys(self, name):
        return [f"model.name={name}"]

    def build_model(self, config, num_classes):
        return self.create(config.model.name, **config.model.kwargs)

    def backbone(self, model):
        return model

    def objective(self, config, model, val_data=None):
        return self.benchmark_objective(model)

    def benchmark_objective(self, model):
        return SimpleNamespace(
            train_network=SquaredError(model),
            eval_network=model,
            eval_inputs=1,
            loss_names=("loss",),
            monitor="accuracy",
            metric=ErrorMetric,
        )

    def target_specs(self, config, shape, num_classes):
        return (Tensor(shape=(shape[0],), dtype=ms.float32),)

    def random_targets(self, model, shape, rng):
        return (rng.random(shape[0]).astype(np.float32),)

    def image_shape(self, config):
        return (3, SIZE, SIZE)

    def deployed(self, model, post_process=True):
        return model

    def describe(self, config, model, post_process=True, about=None):
        return {"preprocess": {}, "post_process": {}}

    def reader(self, described, classes, shape, top):
        return BrightnessReader()

    def write_eval_file(self, option, metric, classes, path):
        path.write_text(json.dumps(metric.errors))


@pytest.fixture
def brightness():
    before = [dict(table) for table in (TASK_CONFIGS, SOURCES)]
    register_task_config(BrightnessConfig)
    register_task(BrightnessTask)
    samples = SimpleNamespace(names=("a", "b", "c", "d"))
    SOURCES["grey_squares"] = Source(
        lambda config, split: samples,
        lambda samples, config, **share: GreySquares(samples.names, config, **share),
    )
    yield
    TASKS.remove(BrightnessTask.name)
    for table, kept in zip((TASK_CONFIGS, SOURCES), before, strict=True):
        table.clear()
        table.update(kept)


@pytest.fixture
def config(brightness, tmp_path):
    file = tmp_path / "brightness.yaml"
    file.write_text(
        "task: brightness\n"
        f"output: {tmp_path / 'run'}\n"
        "data: {batch_size: 4, on_corrupt: unchecked}\n"
        "model: {name: acmix_resnet26, kwargs: {width: 8, num_heads: 2, depths: [1]}}\n"
        "train: {epochs: 1}\n"
    )
    return file


def test_a_task_is_trained_evaluated_exported_used_and_audited(config, tmp_path, capsys):
    checkpoint = str(tmp_path / "run" / "checkpoints" / "last.ckpt")
    assert main(["train", str(config)]) == 0
    assert "accuracy" in capsys.readouterr().out

    errors = tmp_path / "errors.json"
    called = ["eval", str(config), "--checkpoint", checkpoint, "--errors", str(errors)]
    assert main(called) == 0
    assert len(json.loads(errors.read_text())) == 8

    exported = tmp_path / "net.mindir"
    assert main(["export", str(config), "--checkpoint", checkpoint, "--format", "mindir",
                 "--output", str(exported)]) == 0  # fmt: skip
    (of_file,) = predict(exported, ["0.5"])
    (of_run,) = predict(checkpoint, ["0.5"])
    assert of_file.brightness == pytest.approx(of_run.brightness, abs=1e-4)

    assert main(["audit", str(config), "--training"]) == 0
    assert main(["eval", str(config), "--checkpoint", checkpoint, "--confusion", "x.png"]) == 2
    assert "--confusion is for task=classification" in capsys.readouterr().err


def test_a_task_without_heads_takes_no_other_task_s_networks(brightness):
    assert TASKS["brightness"].network_names() == []
    assert task_of_network("swin_tiny") is TASKS["classification"]


@pytest.mark.exhaustive
def test_a_task_is_a_row_of_an_ablation_under_the_name_of_its_metric(config, tmp_path, capsys):
    assert main(["ablate", str(config), "--output", str(tmp_path / "ablation"),
                 "--batch-size", "1", "--warmup", "1", "--repeats", "1"]) == 0  # fmt: skip
    assert "1 - mean error" in capsys.readouterr().out
