"""``acmix bench table``: the tables of speeds."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from acmix.cli.arguments import add_json, add_load
from acmix.cli.commands.bench.shared import (
    add_conditions,
    add_form,
    conditions,
    prepare,
    show,
    show_kept,
)
from acmix.errors import check
from acmix.tools.analysis.paper import SPEED_TABLES

NAME = "table"
HELP = "Measure a table of speeds, beside the paper's numbers where it prints some."
EXAMPLE = "acmix bench table shift --json shift.json"


def add_arguments(parser: ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "table",
        nargs="?",
        choices=tuple(SPEED_TABLES),
        metavar="NAME",
        help="models: every kind of backbone with its ACmix twin; shift: the paper's Tab. 7; "
        "detection: its Tab. 5",
    )
    add_form(parser)
    add_conditions(parser)
    add_json(parser, "the result with all samples")
    add_load(parser)


def run(options: Namespace) -> None:
    """Measure, or show kept results."""
    if options.load:
        show_kept(options, options.table)
        return
    check(bool(options.table), f"name a table: {', '.join(SPEED_TABLES)}.")
    prepare(options)
    from acmix.tools.bench.measuring import bench_table

    show(bench_table(options.table, **conditions(options)), options)
