"""``acmix predict``: predictions for image files."""

from __future__ import annotations

import os
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from typing import TYPE_CHECKING

from acmix.cli.arguments import add_class_file, add_json, add_score, positive
from acmix.cli.console import say
from acmix.cli.outputs import OutputFile, OutputFolder, check_outputs
from acmix.errors import UserError, check

if TYPE_CHECKING:
    from acmix.tasks.prediction import Prediction
    from acmix.workflows.pictures import PictureFolder

NAME = "predict"
HELP = "Predict classes, objects or the class of each pixel, by a checkpoint or an exported file."
EXAMPLE = "acmix predict runs/NAME photos 'more/*.jpg' --output found"

Sink = Callable[["Prediction"], None]
"""Takes the predictions one after the other; none keeps them."""


def add_arguments(parser: ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "model", metavar="MODEL", help="run folder, whose best checkpoint is used; or file: "
        ".ckpt, .safetensors, .mindir, .onnx"
    )  # fmt: skip
    parser.add_argument(
        "images",
        nargs="+",
        metavar="IMAGE",
        help="image file, folder, pattern such as 'photos/*.jpg', or @FILE: a text file with one "
        "of these on each line",
    )
    parser.add_argument(
        "--config", metavar="FILE", help="configuration of a .ckpt outside of a run folder"
    )
    parser.add_argument(
        "--batch-size",
        type=positive,
        metavar="B",
        help="images of one shape that are computed at once; default: as the file was exported, "
        "else 8 for classifiers, 1 for others, whose images differ in shape",
    )
    parser.add_argument(
        "--top",
        type=positive,
        default=5,
        metavar="K",
        help="classes that a classifier shows; default: %(default)s",
    )
    add_score(parser)
    parser.add_argument(
        "--all",
        action="store_true",
        help="keep objects below --score in predictions.json, --json and --csv",
    )
    parser.add_argument(
        "--output",
        type=OutputFolder,
        metavar="DIR",
        help="folder for pictures, label maps of a segmenter, and predictions.json",
    )
    parser.add_argument(
        "--masks",
        action="store_true",
        help="also write a PNG of each object's mask, as DIR/masks/IMAGE/NUMBER_CLASS.png",
    )
    parser.add_argument(
        "--csv",
        type=OutputFile,
        metavar="FILE",
        help="write a table with a row for each class or object that is predicted",
    )
    add_class_file(parser)
    add_json(parser, "the predictions")


def run(options: Namespace) -> None:
    """Print the predictions of each image, and write them; keep none in memory."""
    from acmix.data.image_paths import image_paths
    from acmix.trained import weights_path
    from acmix.utils.reading import check_regular

    check(
        bool(options.output) or not options.masks,
        "--masks needs --output DIR, the folder below which masks are written.",
    )
    options.model = str(weights_path(options.model))
    if not os.path.isdir(options.model):
        check_regular(options.model)  # before slow imports and work
    options.images = image_paths(options.images, besides=options.output)
    from acmix import workflows
    from acmix.config import load_config

    options.model = str(workflows.model_file(options.model))
    check_outputs(options)  # once more, with the files that folders and lists have
    config = load_config(options.config) if options.config else None
    folder = None
    if options.output:
        folder = workflows.picture_folder(
            options.output, options.images, options.model, config, options.masks
        )
    predictions = workflows.predict(
        options.model,
        options.images,
        config,
        options.top,
        class_file=options.classes,
        keep_going=True,
        batch_size=options.batch_size,
    )
    failed = _write(predictions, options, folder)
    count = len(options.images)
    if folder:
        what = "pictures, masks" if options.masks else "pictures"
        say(f"Wrote {count - len(failed)} {what} and predictions.json into {folder.path}")
    if options.csv:
        say(f"Wrote {options.csv}")
    if failed:
        more = f" {len(failed)} of {count} images have no prediction."
        raise UserError(failed[0] + (more if count > 1 else ""))


def _write(
    predictions: Iterable[Prediction], options: Namespace, folder: PictureFolder | None
) -> list[str]:
    """Print and write every prediction; return why images have none."""
    from tqdm import tqdm

    from acmix import workflows

    failed = []
    with ExitStack() as stack:
        sinks = _sinks(options, folder, stack)
        bar = tqdm(
            total=len(options.images), unit=" images", leave=False, dynamic_ncols=True,
            disable=not sys.stderr.isatty(),
        )  # fmt: skip
        stack.callback(bar.close)
        for index, prediction in enumerate(predictions):
            shown = prediction.above(options.score)
            with tqdm.external_write_mode():  # the bar stays below what is printed
                say(prediction.image)
                for line in shown.lines():
                    say(f"  {line}")
            if isinstance(prediction, workflows.Unreadable):
                failed.append(prediction.error)
            elif folder:
                folder.draw(index, shown)
            for sink in sinks:
                sink(prediction if options.all else shown)
            bar.update()
    return failed


def _sinks(options: Namespace, folder: PictureFolder | None, stack: ExitStack) -> list[Sink]:
    """Open the files that take all predictions; they appear when ``stack`` is closed."""
    from acmix import workflows
    from acmix.utils.json_text import to_json

    sinks: list[Sink] = []
    lists = [folder.predictions()] if folder else []
    lists += [options.json.entries()] if options.json else []
    if lists:
        adders = [stack.enter_context(entries) for entries in lists]

        def add(prediction: Prediction) -> None:
            entry = to_json(prediction.to_dict())  # masks take long to encode
            for adder in adders:
                adder(entry)

        sinks.append(add)
    if options.csv:
        sinks.append(stack.enter_context(workflows.csv_table(options.csv)))
    return sinks
