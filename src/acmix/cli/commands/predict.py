"""``acmix predict``: predictions for image files."""

from __future__ import annotations

import json
from argparse import ArgumentParser, Namespace
from pathlib import Path

from acmix.cli.arguments import add_json, positive
from acmix.cli.outputs import OutputFolder

NAME = "predict"
HELP = "Predict classes or objects in images, with a checkpoint or an exported file."
EXAMPLE = "acmix predict model.mindir cat.jpg dog.jpg"


def add_arguments(parser: ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("model", metavar="MODEL_FILE", help=".ckpt, .mindir or .onnx")
    parser.add_argument("images", nargs="+", metavar="IMAGE", help="image file")
    parser.add_argument(
        "--config", metavar="FILE", help="configuration of a .ckpt outside of a run folder"
    )
    parser.add_argument(
        "--top", type=positive, default=5, metavar="K", help="classes to show; default: %(default)s"
    )
    parser.add_argument(
        "--output",
        type=OutputFolder,
        metavar="DIR",
        help="folder for pictures and predictions.json",
    )
    add_json(parser, "the predictions")


def run(options: Namespace) -> None:
    """Print the predictions of each image."""
    from acmix import workflows
    from acmix.config import load_config
    from acmix.utils.files import write_text

    config = load_config(options.config) if options.config else None
    predictions = workflows.predict(options.model, options.images, config, options.top)
    content = json.dumps([prediction.to_dict() for prediction in predictions], indent=1)
    if options.output:
        folder = Path(options.output)
        names = workflows.picture_names(options.images)
        for prediction, name in zip(predictions, names, strict=True):
            prediction.draw(folder / name)
        write_text(folder / "predictions.json", content)
    for prediction in predictions:
        print(prediction.image)
        for line in prediction.lines():
            print(f"  {line}")
    if options.output:
        print(f"Wrote {len(predictions)} pictures and predictions.json into {options.output}")
    if options.json:
        options.json.write(content)
