"""Pictures of validation images: the truth beside the prediction."""

from __future__ import annotations

from pathlib import Path

from acmix.config import Config
from acmix.workflows.pictures import PictureFolder
from acmix.workflows.validation import Validation


def write_comparisons(
    config: Config, checkpoint: str | Path, count: int, folder: str | Path, score: float
) -> int:
    """Write a picture of each of ``count`` validation images, spread evenly over the split.

    Args:
        config: configuration of the run, whose data are read.
        checkpoint: its weights.
        count: number of images; of a smaller split all are drawn.
        folder: where the pictures are written.
        score: least score of objects that are drawn.

    Returns:
        The number of pictures.

    Raises:
        UserError: an image cannot be read, or a picture would replace a file of another program.
    """
    validation = Validation(config, checkpoint, score)
    chosen = validation.spread(count)
    pictures = PictureFolder(folder, [validation.data.names[index] for index in chosen])
    for number, index in enumerate(chosen):
        pictures.save(number, validation.picture(validation.predict(index)))
    return len(chosen)
