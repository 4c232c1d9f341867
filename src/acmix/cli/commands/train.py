"""``acmix train``: training of a model."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from acmix.cli.arguments import add_config
from acmix.cli.console import say

NAME = "train"
HELP = "Train a model by a configuration."
EXAMPLE = "acmix train configs/classification/digits_acmix_swin.yaml optim.lr=1e-3"


def add_arguments(parser: ArgumentParser) -> None:
    """Add the command's arguments."""
    add_config(parser)
    parser.add_argument(
        "--resume",
        metavar="auto|PATH",
        help="resume from a checkpoint; auto: from the latest, if any",
    )


def run(options: Namespace) -> None:
    """Train, and print the metrics of the last epoch."""
    from acmix.config import load_config
    from acmix.utils.outputs import check_output_folder

    config = load_config(options.config, options.overrides)
    check_output_folder(config.output)  # before slow imports and work
    from acmix import workflows

    result = workflows.train(config, options.resume)
    if result.stopped_by:
        say(
            f"Stopped by {result.stopped_by} after step {result.progress.step}, which is saved in "
            f"{config.output}/checkpoints; continue with --resume auto"
        )
        return
    metrics = "  ".join(f"{name} {value:.4f}" for name, value in result.metrics.items())
    say(f"Finished in {result.seconds:.0f} s: {metrics}  -> {config.output}")
