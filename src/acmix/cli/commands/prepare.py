"""``acmix prepare``: conversion of a data set to large files."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from acmix.cli.arguments import CONFIG_HELP, add_overrides
from acmix.cli.console import say
from acmix.cli.outputs import OutputFolder

NAME = "prepare"
HELP = "Convert a data set to the format that is fastest to read."
EXAMPLE = "acmix prepare --mindrecord CONFIG /data/imagenet_mindrecord"


def add_arguments(parser: ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "--mindrecord", action="store_true", required=True, help="write MindRecord files"
    )
    parser.add_argument("config", metavar="CONFIG", help=CONFIG_HELP)
    parser.add_argument(
        "output", type=OutputFolder, metavar="DIR", help="new folder, to use as data.root"
    )
    add_overrides(parser)


def run(options: Namespace) -> None:
    """Write the files."""
    from acmix.config import load_config
    from acmix.data import prepare_mindrecord

    config = load_config(options.config, options.overrides)
    counts = prepare_mindrecord(config.data, options.output)
    images = " and ".join(f"{count} files of {split}" for split, count in counts.items())
    say(f"Wrote {images} into {options.output}; train with data.root={options.output}")
