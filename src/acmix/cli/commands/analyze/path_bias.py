"""``acmix analyze path-bias``: path weights over depth."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from acmix.cli.arguments import OVERRIDES_HELP, split_overrides
from acmix.cli.commands.analyze.shared import add_model, check_overrides, short_names
from acmix.cli.console import say
from acmix.cli.outputs import OutputFolder
from acmix.errors import check
from acmix.utils.text import first_few

NAME = "path-bias"
HELP = "Tabulate and plot alpha, beta and log(alpha / beta) over depth of runs (Fig. 5)."
EXAMPLE = "acmix analyze path-bias runs/*/checkpoints/best.ckpt --output fig5"


def add_arguments(parser: ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "checkpoints",
        nargs="+",
        metavar="CHECKPOINT|key=value",
        help=f"checkpoints of one model; with --model: {OVERRIDES_HELP}",
    )
    add_model(parser)
    parser.add_argument(
        "--output", type=OutputFolder, required=True, metavar="DIR", help="folder for CSV and plot"
    )


def run(options: Namespace) -> None:
    """Write table and plot, and print the operators with an undefined logarithm."""
    checkpoints, overrides = split_overrides(options.checkpoints)
    check(bool(checkpoints), "name at least one checkpoint.")
    check_overrides(options.model, overrides)
    from acmix.layers.path_weights import path_weights
    from acmix.tools.analysis.path_bias import path_biases, undefined_ratios, write_path_biases
    from acmix.tools.analysis.plots import plot_path_biases
    from acmix.workflows.runs import open_checkpoint

    runs = {}
    for name, checkpoint in short_names(checkpoints, _run_name).items():
        model, _ = open_checkpoint(checkpoint, options.model, overrides)
        runs[name] = path_biases(path_weights(model))
    folder = Path(options.output)
    plot_path_biases(runs, folder / "path_bias.png")
    write_path_biases(runs, folder / "path_bias.csv")
    say(f"Wrote {folder / 'path_bias.csv'} and {folder / 'path_bias.png'}")
    undefined = undefined_ratios(runs)
    if undefined:
        say(
            f"log(alpha / beta) is undefined (nan) where the ratio is not positive, "
            f"{len(undefined)} times: {first_few(undefined)}"
        )


def _run_name(checkpoint: str) -> str:
    """Return the name of the run folder, or of a file outside of one."""
    path = Path(checkpoint).resolve()
    return path.parent.parent.name if path.parent.name == "checkpoints" else path.stem
