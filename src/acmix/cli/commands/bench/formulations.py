"""``acmix bench formulations``: equivalent formulations of the networks' parts."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from acmix.cli.arguments import add_rounds
from acmix.cli.commands.bench.shared import add_device, add_output, show_result

if TYPE_CHECKING:
    from acmix.tools.bench.formulations_report import FormulationsReport

NAME = "formulations"
HELP = "Compare the speed of equivalent formulations of the networks' parts."
EXAMPLE = "acmix bench formulations --memory"


def add_arguments(parser: ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("--memory", action="store_true", help="also measure peak memory")
    add_rounds(parser)
    add_device(parser)
    add_output(parser)


def run(options: Namespace) -> None:
    """Measure, or show saved results."""
    show_result(options, None, _measure)


def _measure(options: Namespace) -> FormulationsReport:
    from acmix.config import RuntimeConfig
    from acmix.environment import set_device
    from acmix.tools.bench.formulations import bench_formulations

    set_device(RuntimeConfig(device=options.device))
    return bench_formulations(warmup=options.warmup, repeats=options.repeats, memory=options.memory)
