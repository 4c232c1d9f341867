"""Pictures of validation images: the truth beside the prediction."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from acmix.config import Config
from acmix.data import create_dataset
from acmix.data.decode import DecodeError, decode
from acmix.errors import UserError
from acmix.tasks import get_task
from acmix.tasks.drawing import beside
from acmix.workflows.batches import of_image
from acmix.workflows.classes import known_class_names, match_classes
from acmix.workflows.pictures import PictureFolder
from acmix.workflows.predict import load


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
    task, network = get_task(config.task), load(checkpoint, config)
    data = create_dataset(config.data, "val", seed=config.seed)
    classes = known_class_names(checkpoint) or data.classes
    data = data.relabelled(classes, match_classes(classes, data.classes, str(checkpoint)))
    total = len(data.names)
    chosen = [int(place * total / min(count, total)) for place in range(min(count, total))]
    pictures = PictureFolder(folder, [data.names[index] for index in chosen])
    for number, index in enumerate(chosen):
        name, encoded = data.names[index], data.encoded(index)
        try:
            image, colour = (decode(encoded, c) for c in (data.preprocess.channels, 3))
        except DecodeError as error:
            raise UserError(f"cannot read image {name}: {error}.") from error
        tensor, context = network.reader.prepare(image)
        outputs = of_image(network.run(np.ascontiguousarray(tensor[None])), 0)
        prediction = network.reader.interpret(name, outputs, context).above(score)
        sides = {"truth": task.truth(data, index, colour), "prediction": prediction.picture(colour)}
        pictures.save(number, beside(sides))
    return len(chosen)
