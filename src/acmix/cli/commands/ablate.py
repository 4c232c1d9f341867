"""``acmix ablate``: comparison of several configurations."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from acmix.cli.arguments import (
    add_load,
    add_markdown,
    add_rounds,
    load_files,
    positive,
    split_overrides,
    style,
)
from acmix.cli.console import say
from acmix.cli.outputs import OutputFile, OutputFolder
from acmix.errors import check

NAME = "ablate"
HELP = "Train several configurations and compare them in one table."
EXAMPLE = (
    "acmix ablate configs/ablation/paths/{attention,conv,both}.yaml data.root=FOLDER "
    "--seeds 0 1 2 --output runs/paths"
)


def add_arguments(parser: ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "configs",
        nargs="*",
        metavar="CONFIG|key=value",
        help="configuration of each row, baseline first; overrides apply to every row",
    )
    parser.add_argument(
        "--output",
        type=OutputFolder,
        metavar="DIR",
        help="folder for runs, tables, JSON; what is there is resumed",
    )
    parser.add_argument(
        "--seeds",
        type=int,
        nargs="+",
        default=[],
        metavar="S",
        help="train each configuration with each seed, and show mean and deviation",
    )
    parser.add_argument(
        "--plot",
        type=OutputFile,
        metavar="FILE",
        help="draw alpha, beta and log(alpha / beta) over depth (Fig. 5), of one ablation",
    )
    add_load(parser, "the ablation.json of earlier calls")
    add_markdown(parser)
    parser.add_argument(
        "--batch-size",
        type=positive,
        default=64,
        metavar="B",
        help="images per measured batch; default: %(default)s",
    )
    add_rounds(parser, repeats=15)


def run(options: Namespace) -> None:
    """Train, measure, and print the table; or print saved ones."""
    configs, overrides = split_overrides(options.configs)
    if options.load:
        check(not options.configs, "--load: shows results, and trains nothing; name only files.")
        _show_saved(options)
        return
    check(bool(configs), "name at least one configuration.")
    check(options.output is not None, "--output DIR: name a folder for the runs.")
    from acmix.tools import ablation
    from acmix.tools.ablation_report import plot, render

    rows = ablation.run(
        configs,
        options.output,
        overrides,
        options.seeds,
        batch_size=options.batch_size,
        warmup=options.warmup,
        repeats=options.repeats,
    )
    print(f"\n{render(rows, style(options))}\n")
    say(f"Wrote {options.output}/table.md and ablation.json")
    if options.plot:
        plot(rows, options.plot)


def _show_saved(options: Namespace) -> None:
    from acmix.tools.ablation_report import plot, read_rows, render
    from acmix.tools.saved_results import load_result

    files = load_files(options.load)
    check(not options.plot or len(files) == 1, f"--plot: draws one ablation; got {len(files)}.")
    loaded = [load_result(file, read_rows) for file in files]
    print("\n\n".join(f"{render(rows, style(options))}\n\n{note}." for rows, note in loaded))
    if options.plot:
        plot(loaded[0][0], options.plot)
