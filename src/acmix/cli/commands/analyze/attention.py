"""``acmix analyze attention``: attention maps of a pixel."""

from __future__ import annotations

import argparse
from argparse import ArgumentParser, Namespace

from acmix.cli.arguments import OVERRIDES_HELP, add_overrides
from acmix.cli.commands.analyze.shared import add_model, check_overrides
from acmix.cli.console import say
from acmix.cli.outputs import OutputFile
from acmix.utils.figures import check_picture

NAME = "attention"
HELP = "Draw the attention map of a pixel, for each head of an operator."
EXAMPLE = "acmix analyze attention runs/a cat.jpg --query 96,120 --output cat.png"


def add_arguments(parser: ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "checkpoint", metavar="CKPT", help="checkpoint of a run, or run folder: its best checkpoint"
    )
    parser.add_argument("image", metavar="IMAGE", help="image file")
    add_overrides(parser, f"with --model: {OVERRIDES_HELP}")
    parser.add_argument(
        "--query", required=True, type=_pixel, metavar="Y,X", help="pixel of the network's input"
    )
    parser.add_argument("--layer", metavar="NAME", help="operator; default: the last one")
    add_model(parser)
    parser.add_argument(
        "--output", type=OutputFile, required=True, metavar="PNG", help="picture to write"
    )


def run(options: Namespace) -> None:
    """Draw the maps."""
    check_picture(options.output)
    check_overrides(options.model, options.overrides)
    import numpy as np

    from acmix.export.verify import uncompiled_outputs
    from acmix.tasks import get_task
    from acmix.tools.analysis.attention import attention_layers, attention_shares
    from acmix.tools.analysis.attention_plot import plot_attention
    from acmix.workflows.batches import of_image
    from acmix.workflows.classes import class_names
    from acmix.workflows.runs import model_file, open_checkpoint

    checkpoint = model_file(options.checkpoint)
    model, config = open_checkpoint(checkpoint, options.model, options.overrides)
    task, classes = get_task(config.task), class_names(config, checkpoint)
    reader = task.reader(task.describe(config, model), classes, None, 1)
    image, context = reader.read(options.image)
    layer = options.layer or next(reversed(attention_layers(model)), None)
    shares = attention_shares(model, image, options.query, layer)
    outputs = of_image(uncompiled_outputs(task.deployed(model), image[None]), 0)
    found = reader.interpret(options.image, outputs, context)
    shown = image.transpose(1, 2, 0) * np.array(config.data.std) + np.array(config.data.mean)
    title = f"{layer}, query {options.query[0]},{options.query[1]}"
    first = found.lines()[0].strip()
    plot_attention(np.clip(shown, 0, 1), options.query, shares, options.output, title, first)
    say(f"{options.image}: {first}")
    say(f"Wrote {options.output}: {len(shares)} heads of {layer}")


def _pixel(text: str) -> tuple[int, int]:
    row, comma, column = text.partition(",")
    if not (comma and row.strip().isdecimal() and column.strip().isdecimal()):
        raise argparse.ArgumentTypeError(f"'{text}' is not a pixel Y,X, for example 96,120")
    return int(row), int(column)
