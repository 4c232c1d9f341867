"""``acmix audit``: audits graphs of networks as built for Ascend, on any host."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

import mindspore as ms
from mindspore import Tensor

from acmix.config import Config
from acmix.errors import check
from acmix.export import Exported
from acmix.export.fusion import fuse
from acmix.export.precision import half_precision
from acmix.tasks import get_task
from acmix.tools.audit.evidence import evidence_of
from acmix.tools.audit.levels import TRAINING, Level
from acmix.tools.audit.report import Audit, AuditedOperator
from acmix.tools.audit.rule import EVERY_LEVEL
from acmix.tools.audit.rules import apply_rules, convolutions
from acmix.tools.audit.verdict import judge
from acmix.tools.graphs import graph_of, step_graph
from acmix.utils.mindir import Graph, load_graph
from acmix.utils.modes import built_for
from acmix.workflows.runs import build_model


def audit_graph(graph: Graph, subject: str, levels: Sequence[Level] = EVERY_LEVEL) -> Audit:
    """Audit a graph under the name ``subject`` for some of the ways to the device."""
    operators = []
    for name, count in sorted(graph.count_operators().items()):
        evidence = evidence_of(name)
        operators.append(AuditedOperator(name, count, *judge(evidence), evidence))
    groups = Counter(
        f"{node.operator}, {_group_name(count, depthwise)}"
        for node, count, depthwise in convolutions(graph)
    )
    return Audit(
        subject,
        graph.version,
        tuple(operators),
        apply_rules(graph, levels),
        dict(sorted(groups.items())),
        sum(kind.bytes for kind in graph.parameters),
        sum(kind.bytes for kind in graph.constants),
        tuple(levels),
    )


def audit_file(path: str | Path, level: Level | None = None) -> Audit:
    """Audit an exported ``.mindir`` for every level, or for one.

    Raises:
        UserError: the file is missing or is no MindIR.
    """
    return audit_graph(load_graph(path), str(path), (level,) if level else EVERY_LEVEL)


def audit_config(
    config: Config,
    *,
    training: bool = False,
    batch_size: int | None = None,
    input_size: tuple[int, int] | None = None,
    dynamic_batch: bool = False,
    fused: bool = True,
    fp16: bool = False,
    level: Level | None = None,
) -> Audit:
    """Audit the exported form of a configured network, or its training step.

    Reads neither data nor weights. Without ``model.num_classes`` the network has the classes of
    the task's benchmark, such as ImageNet.

    Args:
        config: configuration of the network. Mixed precision (``train.amp``) and mixing of
            samples are part of the audited training step.
        training: audit forward, backward and update of one batch instead of inference.
        batch_size: images per call; None for 1, and 2 for training, whose BatchNorms may need two.
        input_size: height and width; None for the largest evaluation size.
        dynamic_batch: leave the batch size open (not with ``training``).
        fused: audit the inference form of :func:`acmix.export.fuse`, as exported by default.
        fp16: audit the export in float16 (not with ``training``, which has ``train.amp``).
        level: audit for this one alone; None for all, which for training are O0 and O2.

    Raises:
        UserError: the network cannot be built, or ``training`` with ``dynamic_batch``, ``fp16`` or
            the level AIR, or ``dynamic_batch`` of a task that takes a fixed number of images.
    """
    check(not (training and level is Level.AIR), "--level AIR is for inference, which is exported.")
    check(not (training and dynamic_batch), "--dynamic-batch is for inference.")
    check(not (training and fp16), "--fp16 is for inference; training has train.amp=O2.")
    task = get_task(config.task)
    if dynamic_batch:
        task.check_dynamic_batch()
    channels, *size = task.image_shape(config)
    batch_size = batch_size or (2 if training else 1)
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
    kind = "training step" if training else "inference in float16" if fp16 else "inference"
    subject = f"{config.network_name}, {kind}, {'x'.join(map(str, images.shape))}"
    every = TRAINING if training else EVERY_LEVEL
    return audit_graph(graph, subject, (level,) if level else every)


def _group_name(groups: int, depthwise: bool) -> str:
    if groups == 1:
        return "group 1"
    return "depthwise" if depthwise else f"group {groups}"
