"""Predict with a checkpoint or an exported file."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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
from acmix.tasks.base import Prediction, Reader
from acmix.workflows.classes import renamed
from acmix.workflows.pictures import PictureFolder
from acmix.workflows.runs import restore, run_config


@dataclass(frozen=True)
class Unreadable:
    """Takes the place of a :class:`acmix.tasks.base.Prediction` for an image without one."""

    image: str
    error: str

    def lines(self) -> list[str]:
        """Return the reason."""
        return [self.error]

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return {"image": self.image, "error": self.error}

    def draw(self, path: Path) -> None:
        """Draw nothing."""


def predict(
    model_file: str | Path,
    images: Iterable[str],
    config: Config | None = None,
    top: int = 5,
    *,
    class_file: str | Path | None = None,
    keep_going: bool = False,
) -> Iterator[Prediction]:
    """Yield the predictions of a checkpoint or an exported file, one image after the other.

    The model is loaded at once; an image is read when its prediction is asked for.

    Args:
        model_file: weights of a run, or an exported file next to its metadata file (side-car).
        images: paths.
        config: configuration of the run; None reads the one in the checkpoint's run folder.
        top: classes per image, for classifiers.
        class_file: names of the classes; None takes those of the model file.
        keep_going: yield :class:`Unreadable` for an image that cannot be read, instead of raising
            its error.

    Raises:
        UserError: a file is missing or invalid.
    """
    check(top >= 1, f"--top must be at least 1, got {top}.")
    load = _load_checkpoint if _is_checkpoint(model_file) else _load_export
    return _predictions(load(model_file, config, top, class_file), images, keep_going)


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


def _is_checkpoint(model_file: str | Path) -> bool:
    return Path(model_file).suffix in WEIGHT_SUFFIXES


def _predictions(loaded: Loaded, images: Iterable[str], keep_going: bool) -> Iterator[Prediction]:
    run, reader, batch = loaded
    for path in images:
        try:
            tensor, context = reader.read(path)
        except UserError as error:
            if not keep_going:
                raise
            yield Unreadable(path, str(error))
            continue
        outputs = run(np.repeat(tensor[None], batch, 0))
        first = tuple(o[0] for o in outputs) if isinstance(outputs, tuple) else outputs[0]
        yield reader.interpret(path, first, context)


Loaded = tuple[Callable[[np.ndarray], Outputs], Reader, int]
"""Function from a batch of images to outputs, reader, and batch size of the function."""


def _load_checkpoint(
    file: str | Path, config: Config | None, top: int, class_file: str | Path | None
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

    return run, reader, 1


def _load_export(
    file: str | Path, config: Config | None, top: int, class_file: str | Path | None
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
    return predictor, reader, sidecar.input_shape[0] or 1
