"""``acmix list``: names of the registered networks of each task."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from acmix.config import TASK_CONFIGS
from acmix.errors import check

NAME = "list"
HELP = "List the registered models."
EXAMPLE = "acmix list 'acmix_*'"


def add_arguments(parser: ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "pattern", nargs="?", default="*", help="shell pattern of names; default: all"
    )
    kind = parser.add_mutually_exclusive_group()
    for config in TASK_CONFIGS.values():
        kind.add_argument(
            f"--{config.networks}",
            dest="kind",
            action="store_const",
            const=config.networks,
            help=f"list {config.networks}{' (default)' if config.is_default else ''}",
        )
        if config.is_default:
            parser.set_defaults(kind=config.networks)


def run(options: Namespace) -> None:
    """Print one name per line."""
    from acmix.models import list_networks

    names = list_networks(options.kind, options.pattern)
    check(bool(names), f"no model matches '{options.pattern}'; 'acmix list' shows all.")
    print("\n".join(names))
