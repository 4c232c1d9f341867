"""``acmix bench models``: networks by name, or of finished runs."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from acmix.cli.arguments import (
    MODELS_HELP,
    add_json,
    add_load,
    check_names,
)
from acmix.cli.commands.bench.shared import (
    add_conditions,
    add_form,
    conditions,
    prepare,
    show,
    show_kept,
)
from acmix.errors import check

NAME = "models"
HELP = "Measure images per second of models, in turns."
EXAMPLE = "acmix bench models swin_tiny acmix_swin_tiny --batch-size 1 8"


def add_arguments(parser: ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("models", nargs="*", metavar="MODEL", help=MODELS_HELP)
    parser.add_argument(
        "--checkpoint", nargs="+", default=[], metavar="CKPT", help="of finished runs"
    )
    parser.add_argument("--baseline", metavar="MODEL", help="what the others are compared with")
    add_form(parser)
    add_conditions(parser)
    add_json(parser, "the result with all samples")
    add_load(parser)


def run(options: Namespace) -> None:
    """Measure, or show kept results."""
    if options.load:
        show_kept(options, [*options.models, *options.checkpoint])
        return
    check(
        bool(options.models or options.checkpoint),
        "name at least one model or --checkpoint; 'acmix list' shows the models.",
    )
    check(
        options.baseline is None or not options.gain,
        "--baseline: --gain has its own; leave it out.",
    )
    prepare(options)
    check_names(options.models)
    from acmix.tools.bench.measuring import bench

    report = bench(
        options.models, options.checkpoint, baseline=options.baseline, **conditions(options)
    )
    show(report, options)
