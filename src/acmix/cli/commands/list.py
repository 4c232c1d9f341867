"""``acmix list``: names of models and detectors."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from acmix.errors import check

NAME = "list"
HELP = "List the models that can be made."
EXAMPLE = "acmix list 'acmix_*'"


def add_arguments(parser: ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("pattern", nargs="?", default="*", help="shell pattern of names")
    parser.add_argument(
        "--detectors", action="store_true", help="detectors, each on every backbone"
    )


def run(options: Namespace) -> None:
    """Print a name per line."""
    from acmix.models import list_models
    from acmix.models.detection import list_detectors

    names = (list_detectors if options.detectors else list_models)(options.pattern)
    check(bool(names), f"no model matches '{options.pattern}'; 'acmix list' shows all.")
    print("\n".join(names))
