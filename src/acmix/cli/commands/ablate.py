"""``acmix ablate``: comparison of several configurations."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from acmix.cli.arguments import add_rounds, positive, split_overrides
from acmix.cli.console import say
from acmix.cli.outputs import OutputFolder
from acmix.errors import check

NAME = "ablate"
HELP = "Train several configurations and compare them in one table."
EXAMPLE = (
    "acmix ablate configs/ablation/paths/{attention,conv,both}.yaml data.root=FOLDER "
    "--output runs/paths"
)


def add_arguments(parser: ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "configs",
        nargs="+",
        metavar="CONFIG|key=value",
        help="configuration of each row, baseline first; overrides apply to every row",
    )
    parser.add_argument(
        "--output",
        type=OutputFolder,
        required=True,
        metavar="DIR",
        help="folder for runs, tables, JSON",
    )
    parser.add_argument(
        "--batch-size",
        type=positive,
        default=64,
        metavar="B",
        help="images per measured batch; default: %(default)s",
    )
    add_rounds(parser, repeats=15)


def run(options: Namespace) -> None:
    """Train, measure, and print the table."""
    configs, overrides = split_overrides(options.configs)
    check(bool(configs), "name at least one configuration.")
    from acmix.tools import ablation

    rows = ablation.run(
        configs,
        options.output,
        overrides,
        batch_size=options.batch_size,
        warmup=options.warmup,
        repeats=options.repeats,
    )
    print(f"\n{ablation.render(rows)}\n")
    say(f"Wrote {options.output}/table.md and ablation.json")
