"""``acmix list``: names of models, detectors and the networks of other tasks."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from acmix.config import TASK_CONFIGS
from acmix.errors import check

NAME = "list"
HELP = "List the models that can be made."
EXAMPLE = "acmix list 'acmix_*'"


def add_arguments(parser: ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("pattern", nargs="?", default="*", help="shell pattern of names")
    kind = parser.add_mutually_exclusive_group()
    for config in TASK_CONFIGS.values():
        kind.add_argument(
            f"--{config.networks}",
            dest="kind",
            action="store_const",
            const=config.networks,
            help="the default" if config.is_default else "on every backbone",
        )
        if config.is_default:
            parser.set_defaults(kind=config.networks)


def run(options: Namespace) -> None:
    """Print a name per line."""
    from acmix.models import list_networks

    names = list_networks(options.kind, options.pattern)
    check(bool(names), f"no model matches '{options.pattern}'; 'acmix list' shows all.")
    print("\n".join(names))
