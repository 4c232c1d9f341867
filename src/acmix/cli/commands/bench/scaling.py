"""``acmix bench scaling``: training by several numbers of workers."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from acmix.cli.arguments import (
    add_json,
    add_load,
    add_rounds,
    positive,
    split_overrides,
)
from acmix.cli.commands.bench.shared import show, show_kept
from acmix.errors import check

NAME = "scaling"
HELP = "Measure training of configurations by several numbers of workers, and their exchange."
EXAMPLE = "acmix bench scaling CONFIG data.batch_size=32 --workers 1 2"


def add_arguments(parser: ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "configs",
        nargs="*",
        metavar="CONFIG|key=value",
        help="configurations in one table; overrides are for all of them",
    )
    parser.add_argument(
        "--workers", type=positive, nargs="+", default=[1, 2], metavar="N",
        help="numbers of processes; default: 1 and 2",
    )  # fmt: skip
    add_rounds(parser)
    add_json(parser, "the result with all samples")
    add_load(parser)


def run(options: Namespace) -> None:
    """Measure, or show kept results."""
    if options.load:
        show_kept(options, options.configs)
        return
    configs, overrides = split_overrides(options.configs)
    check(bool(configs), "name at least one configuration.")
    from acmix.tools.bench.scaling_jobs import bench_scaling

    report = bench_scaling(
        configs, options.workers, overrides, warmup=options.warmup, repeats=options.repeats
    )
    show(report, options)
