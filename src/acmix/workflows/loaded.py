"""`acmix.load`: a trained network as an object that predicts images."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, overload

import numpy as np
from PIL import Image

from acmix.config import Config
from acmix.data.image_input import ImageInput, NamedImage
from acmix.errors import UserError, check
from acmix.tasks.prediction import Prediction
from acmix.workflows.batches import Unreadable, predict_batches
from acmix.workflows.predict import Loaded
from acmix.workflows.predict import load as load_network

_ONE = (str, bytes, Path, Image.Image, np.ndarray)


class LoadedNetwork:
    """A network that turns images into predictions. :func:`load` makes it.

    Attributes:
        classes: names of its classes, in the order of the labels.
        source: the file that it was loaded from.
    """

    def __init__(self, loaded: Loaded):
        self._loaded = loaded
        self.classes = loaded.reader.classes
        self.source = loaded.source

    def __repr__(self) -> str:
        return f"<network of {len(self.classes)} classes from {self.source}>"

    @overload
    def predict(  # type: ignore[overload-overlap]  # a str is also an iterable of them
        self, images: ImageInput, batch_size: int | None = None
    ) -> Prediction: ...

    @overload
    def predict(
        self, images: Iterable[ImageInput], batch_size: int | None = None
    ) -> list[Prediction]: ...

    def predict(self, images: Any, batch_size: int | None = None) -> Any:
        """Predict one image, or each of several.

        An image is a path, the content of an image file (bytes), a PIL image, or pixels as an array
        uint8 (H, W, C), RGB or grey, of any size. It is prepared as in the network's evaluation.

        Args:
            images: one, or an iterable of them.
            batch_size: images that are computed at once; None takes that of an exported file, or
                one that suits the task.

        Returns:
            A prediction for one image, else a list in the order of the images. Its values are
            attributes: ``classes`` and ``probabilities`` of a classifier; ``boxes``, ``scores``,
            ``labels`` and ``classes`` of a detector; ``labels`` (H, W) of a segmenter. It has
            ``to_dict()``, ``picture()``, ``draw(path)`` and ``above(score)``; notebooks show it.

        Raises:
            UserError: an image cannot be read, or is an array with channels first, a batch axis or
                other numbers than uint8; or the network takes another number of images at once.
        """
        if isinstance(images, _ONE) or not isinstance(images, Iterable):
            return self._predict([images], batch_size)[0]
        return self._predict(list(images), batch_size)

    def _predict(self, images: list[ImageInput], batch_size: int | None) -> list[Prediction]:
        check(
            batch_size is None or batch_size >= 1,
            f"batch_size must be at least 1, got {batch_size}.",
        )
        named = [NamedImage.of(image) for image in images]
        size = self._loaded.batch_for(named, batch_size)
        predictions = []
        for found in predict_batches(self._loaded.run, self._loaded.reader, named, size):
            if isinstance(found, Unreadable):
                raise UserError(found.error)
            predictions.append(found)
        return predictions


def load(
    path: str | Path,
    *,
    config: Config | None = None,
    top: int = 5,
    classes: str | Path | None = None,
) -> LoadedNetwork:
    """Return a trained network that predicts images.

    It sets MindSpore's device and mode as the run's configuration does.

    Args:
        path: a run folder, whose best checkpoint is taken; a checkpoint; or a file that ``acmix
            export`` wrote (MindIR, ONNX), next to its metadata file (side-car).
        config: configuration of a checkpoint outside of its run folder that does not hold its own.
        top: classes per image, for classifiers.
        classes: file of names of the classes; None takes the network's own.

    Raises:
        UserError: a file is missing or invalid, or no installed package can run it.

    Example:
        >>> network = acmix.load("runs/quickstart")
        >>> network.predict("cat.jpg").classes[0]
    """
    check(top >= 1, f"top must be at least 1, got {top}.")
    return LoadedNetwork(load_network(path, config, top, classes))
