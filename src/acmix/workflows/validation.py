"""Validation images with their predictions, one at a time."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from acmix.config import Config
from acmix.data import create_dataset
from acmix.data.decode import DecodeError, decode
from acmix.errors import UserError
from acmix.tasks import Task, get_task
from acmix.tasks.drawing import beside
from acmix.tasks.prediction import Prediction
from acmix.workflows.batches import of_image
from acmix.workflows.classes import known_class_names, match_classes
from acmix.workflows.predict import load


class Validated(NamedTuple):
    """A validation image and what the network predicts for it."""

    position: int
    """Position in the split."""
    image: Image.Image
    """RGB."""
    prediction: Prediction


class Validation:
    """Predictions of a checkpoint for the images of its run's validation split.

    Args:
        config: configuration of the run, whose data are read.
        checkpoint: its weights.
        score: least score of a detector's objects.

    Attributes:
        task: of the run.
        data: the validation split, with the labels of the network.

    Raises:
        UserError: the data or the checkpoint cannot be read, or do not fit.
    """

    def __init__(self, config: Config, checkpoint: str | Path, score: float):
        self.task: Task[Any, Any, Any] = get_task(config.task)
        data = create_dataset(config.data, "val", seed=config.seed)
        classes = known_class_names(checkpoint) or data.classes
        self.data = data.relabelled(classes, match_classes(classes, data.classes, str(checkpoint)))
        self._network = load(checkpoint, config, top=len(classes))
        self._score = score

    def spread(self, count: int) -> list[int]:
        """Return the positions of ``count`` images, spread evenly over the split, or of all."""
        total = len(self.data.names)
        count = min(count, total)
        return [place * total // count for place in range(count)]

    def predict(self, index: int) -> Validated:
        """Return the image at a position of the split, with its prediction.

        Raises:
            UserError: the image cannot be read.
        """
        name, encoded = self.data.names[index], self.data.encoded(index)
        try:
            image, colour = (decode(encoded, c) for c in (self.data.preprocess.channels, 3))
        except DecodeError as error:
            raise UserError(f"cannot read image {name}: {error}.") from error
        reader = self._network.reader
        tensor, context = reader.prepare(image)
        outputs = of_image(self._network.run(np.ascontiguousarray(tensor[None])), 0)
        found = reader.interpret(name, outputs, context).above(self._score)
        return Validated(index, colour, found)

    def agreement(self, found: Validated) -> float:
        """Return how well a prediction fits, see :meth:`acmix.tasks.base.Task.agreement`."""
        return self.task.agreement(self.data, found.position, found.prediction)

    def picture(self, found: Validated) -> Image.Image:
        """Return a picture of the truth beside the prediction."""
        truth = self.task.truth(self.data, found.position, found.image)
        return beside({"truth": truth, "prediction": found.prediction.picture(found.image)})
