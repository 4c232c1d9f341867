"""Predict with a checkpoint or an exported file."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence, Sized
from pathlib import Path
from typing import NamedTuple

import mindspore as ms
import numpy as np

from acmix.config import Config, RuntimeConfig
from acmix.engine import WEIGHT_SUFFIXES
from acmix.engine.checkpoint import read_about
from acmix.environment import set_device
from acmix.errors import UserError, check
from acmix.export import load_exported, read_sidecar
from acmix.export.outputs import Outputs, to_numpy
from acmix.tasks import get_task
from acmix.tasks.prediction import Prediction, Reader
from acmix.workflows.batches import Unreadable, predict_batches
from acmix.workflows.classes import renamed
from acmix.workflows.pictures import PictureFolder
from acmix.workflows.runs import model_file as file_of
from acmix.workflows.runs import restore, run_config


def predict(
    model_file: str | Path,
    images: Iterable[str],
    config: Config | None = None,
    top: int = 5,
    *,
    class_file: str | Path | None = None,
    keep_going: bool = False,
    batch_size: int | None = None,
) -> Iterator[Prediction]:
    """Yield the predictions of a checkpoint or an exported file, one image after the other.

    The model is loaded at once; images are read when a prediction of their batch is asked for, see
    :func:`acmix.workflows.batches.predict_batches`.

    Args:
        model_file: weights of a run, a run folder, or an exported file next to its metadata file
            (side-car).
        images: paths.
        config: configuration of the run; None reads the one in the checkpoint's run folder.
        top: classes per image, for classifiers.
        class_file: names of the classes; None takes those of the model file.
        keep_going: yield :class:`Unreadable` for an image that cannot be read, instead of raising
            its error.
        batch_size: images that are computed at once; None takes that of an exported file, else
            the task's, see :attr:`acmix.tasks.base.Task.prediction_batch`, or fewer if there are
            no more images.

    Raises:
        UserError: a file is missing or invalid, or an exported file has another batch size.
    """
    check(top >= 1, f"--top must be at least 1, got {top}.")
    loaded = load(model_file, config, top, class_file)
    size = loaded.batch_for(images, batch_size)
    return _checked(predict_batches(loaded.run, loaded.reader, images, size), keep_going)


class Loaded(NamedTuple):
    """A network that is ready to predict."""

    source: Path
    """The file."""
    run: Callable[[np.ndarray], Outputs]
    """From images (B, C, H, W) to outputs."""
    reader: Reader
    usual_batch: int
    """Images that are computed at once unless told otherwise."""
    is_fixed: bool
    """Whether the network takes no other number of images."""

    def batch_for(self, images: Iterable[str], batch_size: int | None = None) -> int:
        """Return how many of ``images`` are computed at once.

        They are spread evenly, so that the last batch is filled up by few.

        Raises:
            UserError: the network takes another number.
        """
        check(
            not self.is_fixed or batch_size in (None, self.usual_batch),
            f"--batch-size {batch_size}: {self.source} was exported for {self.usual_batch} images "
            "at once; leave --batch-size out, or export with another.",
        )
        most = batch_size or self.usual_batch
        if self.is_fixed or not isinstance(images, Sized):
            return most
        count = max(1, len(images))
        return math.ceil(count / math.ceil(count / most))


def load(
    model_file: str | Path,
    config: Config | None = None,
    top: int = 5,
    class_file: str | Path | None = None,
) -> Loaded:
    """Return the network of a checkpoint, a run folder or an exported file; see :func:`predict`."""
    file = file_of(model_file)
    return (_load_checkpoint if _is_checkpoint(file) else _load_export)(
        file, config, top, class_file
    )


def picture_folder(
    path: str | Path,
    images: Sequence[str],
    model_file: str | Path,
    config: Config | None = None,
    masks: bool = False,
) -> PictureFolder:
    """Return the folder for pictures of the predictions; looks at all that would be replaced.

    Args:
        path: the folder.
        images: see :func:`predict`.
        model_file: see :func:`predict`; its task says which pictures there are.
        config: see :func:`predict`.
        masks: whether each object's mask is written, too.

    Raises:
        UserError: see :class:`acmix.workflows.pictures.PictureFolder`; or ``model_file`` is missing
            or invalid, or predicts no masks of objects that are asked for.
    """
    model_file = file_of(model_file)
    if _is_checkpoint(model_file):
        config = config or run_config(model_file)
        task, network = get_task(config.task), config.network_name
    else:
        sidecar = read_sidecar(model_file)
        task, network = get_task(sidecar.task), sidecar.model
    check(
        not masks or task.has_masks(network),
        f"--masks: {model_file} is a {network}, which predicts no masks of objects; leave --masks "
        "out.",
    )
    return PictureFolder(path, images, task.picture_folders, masks)


def _is_checkpoint(file: Path) -> bool:
    return file.suffix in WEIGHT_SUFFIXES


def _checked(predictions: Iterable[Prediction], keep_going: bool) -> Iterator[Prediction]:
    for prediction in predictions:
        if isinstance(prediction, Unreadable) and not keep_going:
            raise UserError(prediction.error)
        yield prediction


def _load_checkpoint(
    file: Path, config: Config | None, top: int, class_file: str | Path | None
) -> Loaded:
    config = config or run_config(file)
    model, classes = restore(config, file, class_file)
    task = get_task(config.task)
    try:
        network, description = task.for_prediction(config, model, read_about(file))
        reader = task.reader(description, classes, None, top)
    except UserError as error:
        raise UserError(f"{file}: {error}") from None
    network.set_train(False)

    def run(images: np.ndarray) -> Outputs:
        return to_numpy(network(ms.Tensor(images)))

    return Loaded(file, run, reader, task.prediction_batch, is_fixed=False)


def _load_export(
    file: Path, config: Config | None, top: int, class_file: str | Path | None
) -> Loaded:
    set_device(config.runtime if config else RuntimeConfig())
    predictor = load_exported(file)
    sidecar = predictor.sidecar
    classes = tuple(sidecar.classes)
    if class_file is not None:
        classes = renamed(class_file, classes, file)
    description = {"preprocess": sidecar.preprocess, "post_process": sidecar.post_process}
    try:
        task = get_task(sidecar.task)
        reader = task.reader(description, classes, sidecar.image_shape, top)
    except UserError as error:
        raise UserError(f"side-car of {file}: {error}") from None
    batch = sidecar.input_shape[0]
    return Loaded(file, predictor, reader, batch or task.prediction_batch, batch is not None)
