"""``acmix bench scaling``: training by several numbers of workers."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from acmix.cli.arguments import add_rounds, positive, split_overrides
from acmix.cli.commands.bench.shared import add_output, show_result
from acmix.errors import check

if TYPE_CHECKING:
    from acmix.tools.bench.scaling_report import ScalingReport

NAME = "scaling"
HELP = "Measure training by several numbers of workers, and their gradient exchange."
EXAMPLE = "acmix bench scaling CONFIG data.batch_size=32 --workers 1 2"


def add_arguments(parser: ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "configs",
        nargs="*",
        metavar="CONFIG|key=value",
        help="configurations of one table; overrides apply to all",
    )
    parser.add_argument(
        "--workers", type=positive, nargs="+", default=[1, 2], metavar="N",
        help="numbers of processes; default: 1 2",
    )  # fmt: skip
    add_rounds(parser)
    add_output(parser)


def run(options: Namespace) -> None:
    """Measure, or show saved results."""
    show_result(options, options.configs, _measure)


def _measure(options: Namespace) -> ScalingReport:
    configs, overrides = split_overrides(options.configs)
    check(bool(configs), "name at least one configuration.")
    from acmix.tools.bench.scaling import bench_scaling

    return bench_scaling(
        configs, options.workers, overrides, warmup=options.warmup, repeats=options.repeats
    )
