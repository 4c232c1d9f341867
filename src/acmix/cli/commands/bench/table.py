"""``acmix bench table``: the speed tables."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from acmix.cli.commands.bench.shared import (
    add_network_options,
    network_options,
    set_environment,
    show_result,
)
from acmix.errors import check

if TYPE_CHECKING:
    from acmix.tools.bench.models_report import ModelsReport

NAME = "table"
HELP = "Measure a speed table, next to the numbers that the paper prints."
EXAMPLE = "acmix bench table shift --json shift.json"


def add_arguments(parser: ArgumentParser) -> None:
    """Add the command's arguments."""
    from acmix.tools.analysis.paper import SPEED_TABLES

    parser.add_argument(
        "table",
        nargs="?",
        choices=tuple(SPEED_TABLES),
        metavar="NAME",
        help="models: each kind of backbone with its ACmix variant; shift: Tab. 7 of the paper; "
        "detectors: Tab. 5 and the two-stage detectors of Tab. 4; segmentation: the networks of "
        "Tab. 2",
    )
    add_network_options(parser)


def run(options: Namespace) -> None:
    """Measure, or show saved results."""
    show_result(options, options.table, _measure)


def _measure(options: Namespace) -> ModelsReport:
    from acmix.tools.analysis.paper import SPEED_TABLES

    check(bool(options.table), f"name a table: {', '.join(SPEED_TABLES)}.")
    set_environment(options)
    from acmix.tools.bench.models import bench_table

    return bench_table(options.table, **network_options(options))
