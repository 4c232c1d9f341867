"""``acmix list``: names of the registered networks of each task."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from fnmatch import fnmatch
from typing import TYPE_CHECKING

from acmix.cli.arguments import add_markdown, style
from acmix.config import TASK_CONFIGS
from acmix.errors import check

if TYPE_CHECKING:
    from acmix.utils.table import Style

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

    kind.add_argument(
        "--trained",
        dest="kind",
        action="store_const",
        const=None,
        help="list the trained networks that come with the package, whose names stand for files",
    )
    add_markdown(parser)


def run(options: Namespace) -> None:
    """Print one name per line, of trained networks a table."""
    if options.kind is None:
        print(_trained(options.pattern, style(options)))
        return
    from acmix.models import list_networks

    names = list_networks(options.kind, options.pattern)
    check(bool(names), f"no model matches '{options.pattern}'; 'acmix list' shows all.")
    print("\n".join(names))


def _trained(pattern: str, style: Style) -> str:
    from acmix.trained import trained_networks
    from acmix.utils.table import render_table

    rows = [
        [name, entry.network, entry.data, f"{entry.metric} {entry.value:.4f}",
         f"{entry.bytes / 1e6:.2f}", entry.recipe, entry.machine]
        for name, entry in trained_networks().items()
        if fnmatch(name, pattern)
    ]  # fmt: skip
    check(bool(rows), f"no trained network matches '{pattern}'; 'acmix list --trained' shows all.")
    header = ["name", "network", "data", "validation", "MB", "recipe", "trained on"]
    return render_table(header, rows, style, left=(0, 1, 2, 5, 6))
