"""``acmix analyze curve``."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from acmix.cli.commands.analyze.shared import named

NAME = "curve"
HELP = "Draw how alpha and beta moved over the epochs of runs."
EXAMPLE = "acmix analyze curve runs/a runs/b --output curve.png"


def add_arguments(parser: ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("runs", nargs="+", metavar="RUN", help="run folder")
    parser.add_argument("--output", required=True, metavar="PNG")


def run(options: Namespace) -> None:
    """Draw the curves."""
    from acmix.tools.analysis.path_plots import plot_path_curves

    folders = named(options.runs, lambda run: Path(run).resolve().name)
    plot_path_curves({n: Path(f) / "metrics.jsonl" for n, f in folders.items()}, options.output)
    print(f"Wrote {options.output}")
