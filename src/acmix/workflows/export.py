"""Export a checkpoint to a file for deployment."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

from acmix.config import Config
from acmix.engine.checkpoint import read_about
from acmix.export import ExportReport, check_export, check_fused, export_model, fuse
from acmix.tasks import get_task
from acmix.utils.target import target_set_to
from acmix.workflows.runs import build_model, restore
from acmix.workflows.weights import load_model


def export(
    config: Config,
    checkpoint: str | Path,
    output: str | Path,
    *,
    format: str,
    batch_size: int = 1,
    input_size: tuple[int, int] | None = None,
    class_file: str | Path | None = None,
    fused: bool = True,
    verify: bool = True,
    target: str | None = None,
    raw: bool = False,
    dynamic_batch: bool = False,
    **options: Any,
) -> ExportReport:
    """Export a checkpoint together with its metadata file (side-car).

    Args:
        config: configuration of the run that wrote the checkpoint.
        checkpoint: weights to export.
        output: file to write.
        format: one of :data:`acmix.export.FORMATS`.
        batch_size: images per call.
        input_size: height and width; None uses the evaluation size, the largest if there are
            several.
        class_file: names of the classes; None takes those of the checkpoint.
        fused: export the network's inference form, see :func:`acmix.export.fuse`.
        verify: compare the inference form with the network, and the file with that form.
        target: device for which the file is made, a name in ``TARGETS``; None makes it for that of
            the process. Layers choose formulations by it; what they compute is compared with the
            network of the process.
        raw: leave out all post-processing that the reader of the file can do: export logits of
            pixels, or logits and boxes of all anchors.
        dynamic_batch: support any batch size.
        **options: further arguments of :func:`acmix.export.export_model`.

    Raises:
        UserError: see :func:`acmix.export.export_model`; or ``input_size`` is set for a classifier,
            whose input size is ``data.image_size``.
    """
    check_export(output, format)
    task = get_task(config.task)
    if input_size is not None:
        task.check_input_size(config)
    channels, *size = task.image_shape(config)
    shape = (channels, *(input_size or size))
    if raw:
        task.check_raw(config.network_name)
    elif dynamic_batch:
        task.check_dynamic_batch()
    model, classes = restore(config, checkpoint, class_file)
    with target_set_to(target) if target else nullcontext():
        network, form_diff = model, 0.0
        if target:
            network = build_model(config, len(classes)).set_train(False)
            load_model(network, checkpoint)
        form = fuse(network) if fused else network
        if form is not model and verify:
            form_diff = check_fused(model, form, shape)
        report = export_model(
            task.deployed(form, not raw),
            output,
            format=format,
            input_shape=(batch_size, *shape),
            verify=verify,
            compare=task.compare,
            dynamic_batch=dynamic_batch,
            sidecar={
                "task": config.task,
                "model": config.network_name,
                "classes": list(classes),
                **task.describe(config, model, not raw, read_about(checkpoint)),
            },
            **options,
        )
    if report.max_abs_diff is None:
        return report
    # Triangle inequality: bounds the difference between the file and the network as it was.
    return replace(report, max_abs_diff=report.max_abs_diff + form_diff)
