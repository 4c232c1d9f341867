"""``acmix analyze curve``: path weights over the epochs."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from acmix.cli.commands.analyze.shared import short_names
from acmix.cli.console import say
from acmix.cli.outputs import OutputFile
from acmix.utils.figures import check_picture

NAME = "curve"
HELP = "Draw alpha and beta over the epochs of runs."
EXAMPLE = "acmix analyze curve runs/a runs/b --output curve.png"


def add_arguments(parser: ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("runs", nargs="+", metavar="RUN", help="run folder")
    parser.add_argument(
        "--output", type=OutputFile, required=True, metavar="PNG", help="picture to write"
    )


def run(options: Namespace) -> None:
    """Draw the curves."""
    check_picture(options.output)
    from acmix.tools.analysis.plots import plot_path_curves

    folders = short_names(options.runs, lambda run: Path(run).resolve().name)
    plot_path_curves({n: Path(f) / "metrics.jsonl" for n, f in folders.items()}, options.output)
    say(f"Wrote {options.output}")
