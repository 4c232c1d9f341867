"""``acmix bench formulations``: the operator's parts, each written several ways."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from acmix.cli.arguments import add_json, add_load, add_rounds
from acmix.cli.commands.bench.shared import add_device, show, show_kept

NAME = "formulations"
HELP = "Measure the formulations of the operator's parts against each other."
EXAMPLE = "acmix bench formulations --memory"


def add_arguments(parser: ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("--memory", action="store_true", help="their peak memory, too")
    add_rounds(parser)
    add_device(parser)
    add_json(parser)
    add_load(parser)


def run(options: Namespace) -> None:
    """Measure, or show kept results."""
    if options.load:
        show_kept(options, None)
        return
    from acmix.config import RuntimeConfig
    from acmix.environment import set_device
    from acmix.tools.bench.formulations import formulations

    set_device(RuntimeConfig(device=options.device))
    report = formulations(warmup=options.warmup, repeats=options.repeats, memory=options.memory)
    show(report, options)
