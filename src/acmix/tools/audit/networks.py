"""Networks as they are built on Ascend, audited on any host."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

import mindspore as ms
from mindspore import Tensor, nn

from acmix.config import Config
from acmix.errors import check
from acmix.export import Exported
from acmix.export.fusion import fuse
from acmix.export.precision import half_precision
from acmix.tasks import get_task
from acmix.tools.audit.capture import graph_of
from acmix.tools.audit.report import Audit, audit
from acmix.tools.training_step import configured_step
from acmix.utils.mindir import Graph, load_graph
from acmix.utils.modes import built_for
from acmix.workflows.runs import build_model


def audit_file(path: str | Path) -> Audit:
    """Audit an exported ``.mindir``.

    Raises:
        UserError: it is missing or something else.
    """
    return audit(load_graph(path), str(path))


def audit_config(
    config: Config,
    *,
    training: bool = False,
    batch_size: int = 1,
    input_size: tuple[int, int] | None = None,
    dynamic_batch: bool = False,
    fused: bool = True,
    fp16: bool = False,
) -> Audit:
    """Audit the network of a configuration in the form it is exported in, or its training step.

    Neither data nor weights are read: a network whose ``model.num_classes`` is not configured has
    as many classes as ImageNet, or COCO.

    Args:
        config: what is exported or trained. Where it trains in mixed precision (``train.amp``) or
            mixes samples, so does the audited step.
        training: audit forward, backward and update of one batch instead.
        batch_size: images per call.
        input_size: height and width; None for those of the evaluation, of several the largest.
        dynamic_batch: leave the batch size open (not with ``training``).
        fused: audit the inference form, :func:`acmix.export.fuse`, as it is what is exported.
        fp16: as it is exported in float16 (not with ``training``, whose precision is configured).

    Raises:
        UserError: the network cannot be built, or ``training`` with ``dynamic_batch`` or ``fp16``.
    """
    check(not (training and dynamic_batch), "--dynamic-batch is for inference.")
    check(not (training and fp16), "--fp16 is for inference; training has train.amp=O2.")
    task = get_task(config.task)
    channels, *size = task.image_shape(config)
    shape = (None if dynamic_batch else batch_size, channels, *(input_size or size))
    images = Tensor(shape=shape, dtype=ms.float32)
    classes = config.model.num_classes or task.benchmark.num_classes
    with built_for("Ascend"):
        model = build_model(config, classes)
        if training:
            graph = step_graph(config, model, images, classes)
        else:
            form = fuse(model) if fused else model.set_train(False)
            network = task.deployed(form)
            with half_precision(network) if fp16 else nullcontext():
                graph = graph_of(Exported(network), (images,))
    what = "training step" if training else "inference in float16" if fp16 else "inference"
    return audit(graph, f"{config.network_name}, {what}, {'x'.join(map(str, images.shape))}")


def step_graph(config: Config, model: nn.Cell, images: Tensor, classes: int) -> Graph:
    """Return the graph of a training step: forward, backward, update.

    Args:
        config: the task, and how it is trained.
        model: as :func:`acmix.workflows.runs.build_model` makes it.
        images: (B, C, H, W), without data.
        classes: of the model.
    """
    specs = get_task(config.task).target_specs(config, images.shape[0], classes)
    return graph_of(configured_step(config, model).as_cell(), (images, *specs))
