"""``acmix analyze``: what was learned, and what it costs."""

from __future__ import annotations

import argparse
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from acmix.errors import check


def add_to(subparsers, overrides_help: str) -> None:
    """Describe the command and its analyses."""
    summary = "Look into trained models, and count costs."
    parser = subparsers.add_parser(
        "analyze", help=summary, description=summary, epilog="example: acmix analyze complexity"
    )
    analyses = parser.add_subparsers(dest="analysis", required=True, metavar="ANALYSIS")

    def analysis(name: str, function, example: str) -> argparse.ArgumentParser:
        summary = function.__doc__.splitlines()[0]
        added = analyses.add_parser(
            name, help=summary, description=summary, epilog=f"example: acmix analyze {example}"
        )
        added.set_defaults(run=function)
        return added

    def add_checkpoint_of(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--model", metavar="NAME", help="default: that of the run folder")
        parser.add_argument(
            "--set", dest="overrides", nargs="+", default=[], metavar="key=value",
            help=f"with --model: {overrides_help}",
        )  # fmt: skip

    bias = analysis("path-bias", path_bias, "path-bias runs/*/checkpoints/best.ckpt --output fig5")
    bias.add_argument("checkpoints", nargs="+", metavar="CHECKPOINT", help="of one model")
    add_checkpoint_of(bias)
    bias.add_argument("--output", required=True, metavar="DIR", help="for the CSV and the plot")

    maps = analysis(
        "attention", attention, "attention runs/a/checkpoints/best.ckpt cat.jpg --query 96,120 "
        "--output cat.png",
    )  # fmt: skip
    maps.add_argument("checkpoint", metavar="CHECKPOINT")
    maps.add_argument("image", metavar="IMAGE")
    maps.add_argument(
        "--query", required=True, type=_pixel, metavar="Y,X", help="pixel of the network's input"
    )
    maps.add_argument("--layer", metavar="NAME", help="operator; default: the last")
    add_checkpoint_of(maps)
    maps.add_argument("--output", required=True, metavar="PNG")

    costs = analysis("complexity", complexity, "complexity --markdown")
    costs.add_argument("--markdown", action="store_true", help="print Markdown tables")

    curves = analysis("curve", curve, "curve runs/a runs/b --output curve.png")
    curves.add_argument("runs", nargs="+", metavar="RUN", help="run folder")
    curves.add_argument("--output", required=True, metavar="PNG")


def path_bias(options: Namespace) -> None:
    """Table and plot alpha, beta and log(alpha / beta) over depth, for several runs (Fig. 5)."""
    from acmix.layers.path_weights import path_weights
    from acmix.tools.analysis.path_bias import path_biases, undefined_ratios, write_path_biases
    from acmix.tools.analysis.path_plots import plot_path_biases
    from acmix.workflows.runs import open_checkpoint

    runs = {}
    for name, checkpoint in _named(options.checkpoints, _run_name).items():
        model, _ = open_checkpoint(checkpoint, options.model, options.overrides)
        runs[name] = path_biases(path_weights(model))
    folder = Path(options.output)
    plot_path_biases(runs, folder / "path_bias.png")
    write_path_biases(runs, folder / "path_bias.csv")
    print(f"Wrote {folder / 'path_bias.csv'} and {folder / 'path_bias.png'}")
    undefined = undefined_ratios(runs)
    if undefined:
        print(
            f"log(alpha / beta) is undefined (nan) where the ratio is not positive, "
            f"{len(undefined)} times: {', '.join(undefined)}"
        )


def attention(options: Namespace) -> None:
    """Draw what a pixel attends to, for each head of an operator."""
    import numpy as np

    from acmix.tasks import get_task
    from acmix.tools.analysis.attention import attention_layers, attention_shares
    from acmix.tools.analysis.path_plots import plot_attention
    from acmix.workflows.runs import open_checkpoint

    model, config = open_checkpoint(options.checkpoint, options.model, options.overrides)
    task = get_task(config.task)
    image, _ = task.reader(task.describe(config, model), (), None, 1).read(options.image)
    layer = options.layer or next(reversed(attention_layers(model)), None)
    shares = attention_shares(model, image, options.query, layer)
    shown = image.transpose(1, 2, 0) * np.array(config.data.std) + np.array(config.data.mean)
    title = f"{layer}, query {options.query[0]},{options.query[1]}"
    plot_attention(np.clip(shown, 0, 1), options.query, shares, options.output, title)
    print(f"Wrote {options.output}: {len(shares)} heads of {layer}")


def curve(options: Namespace) -> None:
    """Draw how alpha and beta moved over the epochs of runs."""
    from acmix.tools.analysis.path_plots import plot_path_curves

    folders = _named(options.runs, lambda run: Path(run).resolve().name)
    plot_path_curves({n: Path(f) / "metrics.jsonl" for n, f in folders.items()}, options.output)
    print(f"Wrote {options.output}")


def complexity(options: Namespace) -> None:
    """Count convolution, self-attention and ACmix at both stages (Tab. 1 and Tab. 8)."""
    from acmix.tools.analysis.complexity import paper_complexity, render_complexity, render_theory
    from acmix.utils.table import Style

    style: Style = "markdown" if options.markdown else "text"
    print(f"{render_theory(style)}\n")
    print(render_complexity(paper_complexity(), style))


def _run_name(checkpoint: str) -> str:
    """The run folder's name, or the file's where it lies in none."""
    path = Path(checkpoint).resolve()
    return path.parent.parent.name if path.parent.name == "checkpoints" else path.stem


def _named(paths: Sequence[str], name_of) -> dict[str, str]:
    """The paths by short names, by themselves where those are not unique."""
    names = [name_of(path) for path in paths]
    check(len(set(paths)) == len(paths), f"{' '.join(paths)}: name each path once.")
    return {
        name if names.count(name) == 1 else path: path
        for name, path in zip(names, paths, strict=True)
    }


def _pixel(text: str) -> tuple[int, int]:
    row, comma, column = text.partition(",")
    if not (comma and row.strip().isdecimal() and column.strip().isdecimal()):
        raise argparse.ArgumentTypeError(f"'{text}' is not a pixel Y,X, for example 96,120")
    return int(row), int(column)
