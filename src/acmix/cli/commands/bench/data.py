"""``acmix bench data``: the input pipeline against the network."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from acmix.cli.arguments import (
    CONFIG_HELP,
    OVERRIDES_HELP,
    add_json,
    add_load,
    split_overrides,
)
from acmix.cli.commands.bench.shared import show, show_kept
from acmix.errors import check

NAME = "data"
HELP = "Measure a configuration's input pipeline against its network: which is the bottleneck."
EXAMPLE = "acmix bench data CONFIG data.num_workers=8"


def add_arguments(parser: ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "config",
        nargs="*",
        metavar="CONFIG|key=value",
        help=f"one {CONFIG_HELP}; {OVERRIDES_HELP}",
    )
    parser.add_argument(
        "--seconds", type=float, default=5.0, metavar="S",
        help="of each measurement; default %(default)s",
    )  # fmt: skip
    add_json(parser, "the result with all samples")
    add_load(parser)


def run(options: Namespace) -> None:
    """Measure, or show kept results."""
    if options.load:
        show_kept(options, options.config)
        return
    files, overrides = split_overrides(options.config)
    check(len(files) == 1, f"name one configuration, got {' '.join(files) or 'none'}.")
    from acmix.config import load_config
    from acmix.tools.bench.input_pipeline import bench_pipeline

    show(bench_pipeline(load_config(files[0], overrides), seconds=options.seconds), options)
