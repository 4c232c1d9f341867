"""Plans against what training really holds, sends and computes."""

from __future__ import annotations

import json
from dataclasses import replace

import mindspore as ms
import numpy as np
import pytest
from models.shrunk import arguments

from acmix.cli import main
from acmix.config import (
    ClassificationConfig,
    ClassificationDataConfig,
    DetectionConfig,
    DetectionDataConfig,
    DetectorConfig,
    ModelConfig,
    OptimConfig,
    SegmentationConfig,
    SegmentationDataConfig,
    SegmenterConfig,
    TrainConfig,
)
from acmix.engine.ema import ExponentialMovingAverage
from acmix.engine.optim import create_optimizer
from acmix.engine.precision import apply_mixed_precision
from acmix.engine.train_step import TrainStep
from acmix.errors import UserError
from acmix.tasks import get_task
from acmix.tools.analysis.macs import trace
from acmix.tools.bench.candidates import training_step
from acmix.tools.bench.timing import measure
from acmix.tools.plan import plan
from acmix.tools.plan.plan import workload_of
from acmix.workflows.runs import build_model

BATCH = 2
TINY = {"embed_dim": 12, "depths": (1,), "num_heads": (2,), "window_size": 4}


def classifier(optimizer="adamw", **train):
    return ClassificationConfig(
        model=ModelConfig(name="acmix_swin_tiny", num_classes=5, kwargs=TINY),
        data=ClassificationDataConfig(image_size=32, batch_size=BATCH),
        optim=OptimConfig(name=optimizer),
        train=TrainConfig(**train),
    )


def detector():
    return DetectionConfig(
        model=ModelConfig(name="resnet26", num_classes=4, kwargs=arguments("resnet26")),
        detector=DetectorConfig(frozen_stages=2, kwargs={"channels": 8, "num_convs": 1}),
        data=DetectionDataConfig(name="coco", batch_size=BATCH, short_side=(64,), long_side=96),
        optim=OptimConfig(name="sgd"),
    )


def held_by_training(config):
    """Bytes of weights, gradients, optimizer state and what is exchanged, after one step."""
    task = get_task(config.task)
    model = build_model(config, config.model.num_classes)
    network = task.objective(config, model).train_network.set_train()
    network = apply_mixed_precision(network, config.train.amp)
    optimizer = create_optimizer(network, config.optim)
    exchanged = []

    def record(gradients):
        exchanged.append(size_of(gradients))
        return gradients

    images = np.zeros((BATCH, *task.image_shape(config)), np.float32)
    targets = [
        np.zeros(target.shape, ms.dtype_to_nptype(target.dtype))
        for target in task.target_specs(config, images.shape, config.model.num_classes)
    ]
    step = TrainStep(network, optimizer, all_reduce=record)
    losses = step([(images, *targets)], 1e-3).losses
    own = {id(parameter) for parameter in network.get_parameters()}
    state = [p for p in optimizer.get_parameters() if id(p) not in own and "." in p.name]
    statistics = size_of(step.statistics.parameters)
    sent = sum(exchanged) - 4 * (1 + len(losses))  # the wish to stop, and the losses
    return {
        "weights": size_of(network.get_parameters()) + statistics,
        "gradients": sent - statistics,
        "optimizer": size_of(state),
        "average": size_of(ExponentialMovingAverage(network, 0.9).averages),
        "sent": sent,
    }


def segmenter():
    heads = {"channels": 8, "auxiliary_channels": 8}
    return SegmentationConfig(
        model=ModelConfig(
            name="acmix_swin_tiny",
            num_classes=4,
            kwargs={**TINY, "depths": (1, 1), "num_heads": (2, 2), "out_indices": (0, 1)},
        ),
        segmenter=SegmenterConfig(name="upernet", kwargs=heads),
        data=SegmentationDataConfig(batch_size=BATCH, crop_size=32),
    )


def size_of(tensors):
    return sum(tensor.nbytes for tensor in tensors)


@pytest.mark.parametrize(
    "config",
    [
        classifier(ema_decay=0.9),
        classifier("sgd", ema_decay=0.9, amp="O2"),
        detector(),
        pytest.param(segmenter(), marks=pytest.mark.exhaustive),
    ],
    ids=["adamw", "sgd-fp16", "frozen-detector", "segmenter"],
)
def test_what_is_predicted_is_what_a_training_step_holds(config):
    ms.set_context(mode=ms.PYNATIVE_MODE)
    held = held_by_training(config)
    predicted = workload_of(config)
    assert predicted.exchanged_bytes == held["sent"]
    for what in ("weights", "gradients", "optimizer"):
        assert getattr(predicted.memory, what) == held[what], what
    assert predicted.memory.average == (held["average"] if config.train.ema_decay else 0)


def test_a_plan_of_a_file_is_printed_and_written(tmp_path, capsys):
    file, report = tmp_path / "config.yaml", tmp_path / "plan.json"
    file.write_text(classifier(accumulate=2, epochs=3).to_yaml())
    asked = ["plan", str(file), "optim.lr_batch=8", "--device", "ascend-910b"]
    asked += ["--devices", "1", "8"]
    assert main([*asked, "--images", "100", "--json", str(report)]) == 0
    assert "acmix_swin_tiny in float32, 2 images per device, 2 batches per step" in (
        capsys.readouterr().out
    )
    content = json.loads(report.read_text())
    one, eight = content["rows"]
    assert (one["global_batch"], eight["global_batch"]) == (4, 32)
    assert (one["learning_rate"], eight["learning_rate"]) == (0.5e-3, 4e-3)
    assert (one["steps"], eight["steps"]) == (25, 3)
    assert eight["run_seconds"] == pytest.approx(9 * eight["step_seconds"])
    model = build_model(classifier(), 5)
    macs = trace(model, (4, 3, 32, 32)).macs
    assert one["compute_seconds"] == pytest.approx(3 * 2 * macs / (0.3 * 80e12))
    trained = sum(parameter.size for parameter in model.trainable_params())
    assert eight["sent_bytes"] == pytest.approx(2 * 7 / 8 * 4 * trained)
    assert main([*asked, "train.steps=500", "--images", "100", "--json", str(report)]) == 0
    assert json.loads(report.read_text())["rows"][1]["run_seconds"] == pytest.approx(
        500 * eight["step_seconds"]
    )
    assert main([*asked, "--images", "3"]) == 2
    assert "takes 4 images, the training set has 3" in capsys.readouterr().err


def test_mistakes_are_named_before_the_network_is_built(monkeypatch):
    monkeypatch.setattr(plan, "build_model", None)
    with pytest.raises(UserError, match="Did you mean 'ascend-910'"):
        plan.plan_config(classifier(), [8], device="ascend-91")
    with pytest.raises(UserError, match="--devices must be at least 1, got 0"):
        plan.plan_config(classifier(), [8, 0])
    with pytest.raises(UserError, match="12 does not fill nodes of 8"):
        plan.plan_config(classifier(), [12])


@pytest.mark.exhaustive
def test_no_step_of_this_machine_is_faster_than_planned_at_its_peak():
    machine = plan.this_machine()
    config = replace(classifier(), data=ClassificationDataConfig(image_size=224, batch_size=8),
                     model=ModelConfig(name="resnet26", num_classes=5))  # fmt: skip
    (row,) = plan.plan_config(config, [1], device="this-machine", efficiency=1.0).rows
    images = np.zeros((8, 3, 224, 224), np.float32)
    step = training_step(get_task(config.task), build_model(config, 5))(images)
    (timing,) = measure({"step": step}, repeats=3)
    assert machine.memory > 2**30
    assert 0.02 * timing.median < row.compute_seconds < timing.median
