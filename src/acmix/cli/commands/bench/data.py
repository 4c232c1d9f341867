"""``acmix bench data``: throughput of the input pipeline and of the network."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from acmix.cli.arguments import CONFIG_HELP, OVERRIDES_HELP, split_overrides
from acmix.cli.commands.bench.shared import add_output, show_result
from acmix.errors import check

if TYPE_CHECKING:
    from acmix.tools.bench.data_report import DataReport

NAME = "data"
HELP = "Measure input pipeline and network of a configuration, to find the bottleneck."
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
        help="seconds per measurement; default: %(default)s",
    )  # fmt: skip
    parser.add_argument(
        "--compare",
        action="store_true",
        help="measure threads, processes, and MindSpore's C++ transforms of the same files",
    )
    add_output(parser)


def run(options: Namespace) -> None:
    """Measure, or show saved results."""
    show_result(options, options.config, _measure)


def _measure(options: Namespace) -> DataReport:
    files, overrides = split_overrides(options.config)
    check(len(files) == 1, f"name one configuration, got {' '.join(files) or 'none'}.")
    from acmix.config import load_config
    from acmix.tools.bench.data import bench_data

    return bench_data(
        load_config(files[0], overrides), seconds=options.seconds, compare=options.compare
    )
