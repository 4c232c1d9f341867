"""``acmix ablate``: several configurations, one table."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from acmix.cli.arguments import add_rounds, positive, split_overrides
from acmix.errors import check

NAME = "ablate"
HELP = "Train several configurations and set them side by side in one table."
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
        help="rows, the first is the baseline; overrides are for every row",
    )
    parser.add_argument("--output", required=True, metavar="DIR", help="runs, tables and JSON")
    parser.add_argument("--batch-size", type=positive, default=64, metavar="B", help="measured")
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
    print(f"\n{ablation.render(rows)}\n\nWrote {options.output}/table.md and ablation.json")
