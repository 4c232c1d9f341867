"""``acmix predict``: predictions for image files."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from acmix.cli.arguments import add_class_file, add_json, positive
from acmix.cli.console import say
from acmix.cli.outputs import OutputFolder
from acmix.errors import UserError, check
from acmix.utils.json_text import to_json

NAME = "predict"
HELP = "Predict classes, objects or the class of each pixel, by a checkpoint or an exported file."
EXAMPLE = "acmix predict model.mindir cat.jpg dog.jpg"


def add_arguments(parser: ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("model", metavar="MODEL_FILE", help=".ckpt, .mindir or .onnx")
    parser.add_argument("images", nargs="+", metavar="IMAGE", help="image file")
    parser.add_argument(
        "--config", metavar="FILE", help="configuration of a .ckpt outside of a run folder"
    )
    parser.add_argument(
        "--top",
        type=positive,
        default=5,
        metavar="K",
        help="classes that a classifier shows; default: %(default)s",
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
    add_class_file(parser)
    add_json(parser, "the predictions")


def run(options: Namespace) -> None:
    """Print the predictions of each image."""
    from acmix.utils.reading import check_regular

    check(
        bool(options.output) or not options.masks,
        "--masks needs --output DIR, the folder below which masks are written.",
    )
    for file in (options.model, *options.images):
        check_regular(file)  # before slow imports and work
    from acmix import workflows
    from acmix.config import load_config

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
    )
    entries, failed = [], []
    for index, prediction in enumerate(predictions):
        say(prediction.image)
        for line in prediction.lines():
            say(f"  {line}")
        entries.append(prediction.to_dict())
        if isinstance(prediction, workflows.Unreadable):
            failed.append(prediction.error)
        elif folder:
            folder.draw(index, prediction)
    content = to_json(entries)
    if folder:
        folder.write_predictions(content)
        count = len(entries) - len(failed)
        what = "pictures, masks" if options.masks else "pictures"
        say(f"Wrote {count} {what} and predictions.json into {folder.path}")
    if options.json:
        options.json.write(content)
    if failed:
        more = f" {len(failed)} of {len(entries)} images have no prediction."
        raise UserError(failed[0] + (more if len(entries) > 1 else ""))
