"""Export networks, and predict with checkpoints and exported files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import mindspore as ms
import numpy as np

from acmix.config import Config, RuntimeConfig
from acmix.engine import WEIGHT_SUFFIXES
from acmix.environment import set_device
from acmix.errors import UserError, check
from acmix.export import ExportReport, check_export, check_fused, export_model, fuse, load_exported
from acmix.export.formats import FORMATS
from acmix.export.outputs import Outputs, to_numpy
from acmix.tasks import get_task
from acmix.tasks.base import Prediction, Reader
from acmix.workflows.runs import restore, run_config


def export(
    config: Config,
    checkpoint: str | Path,
    output: str | Path,
    *,
    format: str,
    batch_size: int = 1,
    input_size: tuple[int, int] | None = None,
    fused: bool = True,
    verify: bool = True,
    **options: Any,
) -> ExportReport:
    """Export a checkpoint with a side-car that holds all a user of the file needs.

    Args:
        config: of the run that made the checkpoint.
        checkpoint: the weights.
        output: the file to write.
        format: one of :data:`acmix.export.FORMATS`.
        batch_size: images per call.
        input_size: height and width; None for those of the evaluation, of several the largest.
        fused: export the network's inference form, :func:`acmix.export.fuse`.
        verify: compare the form with the network, and the file with the form.
        **options: what :func:`acmix.export.export_model` takes besides.

    Raises:
        UserError: see :func:`acmix.export.export_model`; or ``input_size`` for a classifier, whose
            input is ``data.image_size``.
    """
    check_export(output, format)
    task = get_task(config.task)
    if input_size is not None:
        task.check_input_size(config)
    channels, *size = task.image_shape(config)
    shape = (channels, *(input_size or size))
    post_process = FORMATS[format].holds_post_processing
    model, classes = restore(config, checkpoint)
    network, of_form = model, 0.0
    if fused:
        network = fuse(model)
        of_form = check_fused(model, network, shape) if verify else 0.0
    report = export_model(
        task.deployed(network, post_process),
        output,
        format=format,
        input_shape=(batch_size, *shape),
        verify=verify,
        sidecar={
            "task": config.task,
            "model": config.network_name,
            "classes": list(classes),
            **task.describe(config, model, post_process),
        },
        **options,
    )
    if report.max_abs_diff is None:
        return report
    # No more than this can lie between the file and the network the form was made from.
    return replace(report, max_abs_diff=report.max_abs_diff + of_form)


def predict(
    model_file: str | Path, images: list[str], config: Config | None = None, top: int = 5
) -> list[Prediction]:
    """Say what is in images, with a checkpoint or an exported file.

    Args:
        model_file: weights of a run, or an exported file with its side-car.
        images: paths.
        config: of the run; by default the one in the checkpoint's run folder.
        top: classes per image, of classifiers.

    Raises:
        UserError: a file is missing or not what it should be.
    """
    check(top >= 1, f"--top must be at least 1, got {top}.")
    of_checkpoint = Path(model_file).suffix in WEIGHT_SUFFIXES
    open_model = _open_checkpoint if of_checkpoint else _open_exported
    run, reader, batch = open_model(model_file, config, top)
    inputs = [reader.read(path) for path in images]  # all are readable before any is run
    predictions = []
    for path, (tensor, found) in zip(images, inputs, strict=True):
        outputs = run(np.repeat(tensor[None], batch, 0))
        first = tuple(o[0] for o in outputs) if isinstance(outputs, tuple) else outputs[0]
        predictions.append(reader.explain(path, first, found))
    return predictions


def picture_names(images: Sequence[str]) -> list[str]:
    """Return a name for the picture of each image; images of one name are told apart by number."""
    names: list[str] = []
    for image in images:
        stem, number = Path(image).stem, 1
        name = f"{stem}.png"
        while name in names:
            number += 1
            name = f"{stem}_{number}.png"
        names.append(name)
    return names


Opened = tuple[Callable[[np.ndarray], Outputs], Reader, int]


def _open_checkpoint(file: str | Path, config: Config | None, top: int) -> Opened:
    config = config or run_config(file)
    model, classes = restore(config, file)
    task = get_task(config.task)
    network = task.deployed(model)
    network.set_train(False)
    described = task.describe(config, model)

    def run(images: np.ndarray) -> Outputs:
        return to_numpy(network(ms.Tensor(images)))

    return run, task.reader(described, classes, None, top), 1


def _open_exported(file: str | Path, config: Config | None, top: int) -> Opened:
    set_device(config.runtime if config else RuntimeConfig())
    predictor = load_exported(file)
    sidecar = predictor.sidecar
    try:
        task = get_task(sidecar.task)
    except UserError as error:
        raise UserError(f"side-car of {file}: {error}") from None
    described = {"preprocess": sidecar.preprocess, "post_process": sidecar.post_process}
    reader = task.reader(described, sidecar.classes, sidecar.image_shape, top)
    return predictor, reader, sidecar.input_shape[0] or 1
