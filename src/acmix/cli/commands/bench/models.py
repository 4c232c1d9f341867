"""``acmix bench models``: networks by name, or of finished runs."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from acmix.cli.arguments import MODELS_HELP, check_names
from acmix.cli.commands.bench.shared import (
    add_network_options,
    network_options,
    set_environment,
    show_result,
)
from acmix.errors import check

if TYPE_CHECKING:
    from acmix.tools.bench.models_report import ModelsReport

NAME = "models"
HELP = "Compare images per second of models, in interleaved rounds."
EXAMPLE = "acmix bench models swin_tiny acmix_swin_tiny --batch-size 1 8"


def add_arguments(parser: ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("models", nargs="*", metavar="MODEL", help=MODELS_HELP)
    parser.add_argument(
        "--checkpoint", nargs="+", default=[], metavar="CKPT", help="checkpoints of finished runs"
    )
    parser.add_argument("--baseline", metavar="MODEL", help="model the others are compared with")
    add_network_options(parser)


def run(options: Namespace) -> None:
    """Measure, or show saved results."""
    show_result(options, [*options.models, *options.checkpoint], _measure)


def _measure(options: Namespace) -> ModelsReport:
    check(
        bool(options.models or options.checkpoint),
        "name at least one model or --checkpoint; 'acmix list' shows the models.",
    )
    check(
        options.baseline is None or not options.gain,
        "--baseline: --gain has its own; leave it out.",
    )
    set_environment(options)
    check_names(options.models)
    from acmix.tools.bench.models import bench_models

    return bench_models(
        options.models, options.checkpoint, baseline=options.baseline, **network_options(options)
    )
