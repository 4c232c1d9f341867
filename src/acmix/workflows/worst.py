"""The validation images that a network predicts worst."""

from __future__ import annotations

import math
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from acmix.config import Config
from acmix.utils.progress import with_progress
from acmix.workflows.validation import Validation


class WorstImage(NamedTuple):
    """An image with the truth beside the prediction."""

    name: str
    agreement: float
    picture: Image.Image


class Worst(NamedTuple):
    """The images, the worst first, and what they were found by."""

    title: str
    """What their agreement is."""
    among: int
    """Number of images that were looked at."""
    images: list[WorstImage]


def worst_images(
    config: Config, checkpoint: str | Path, count: int, among: int, score: float
) -> Worst:
    """Return the images with the least agreement of prediction and targets.

    Args:
        config: configuration of the run, whose data are read.
        checkpoint: its weights.
        count: number of images to return at most.
        among: number of images to look at, spread evenly over the validation split.
        score: least score of a detector's objects.

    Raises:
        UserError: the data or an image cannot be read, or do not fit the checkpoint.
    """
    validation = Validation(config, checkpoint, score)
    chosen = validation.spread(among)
    title = f"predicting {len(chosen)} validation images"
    agreements = {
        index: validation.agreement(validation.predict(index))
        for index in with_progress(chosen, title, len(chosen))
    }
    known = [index for index in chosen if not math.isnan(agreements[index])]
    # Drawn again: pictures of all images would fill the memory.
    worst = sorted(known, key=agreements.__getitem__)[:count]
    return Worst(
        validation.task.agreement_title,
        len(chosen),
        [
            WorstImage(
                validation.data.names[index],
                agreements[index],
                validation.picture(validation.predict(index)),
            )
            for index in worst
        ],
    )
