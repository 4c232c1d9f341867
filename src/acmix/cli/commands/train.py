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


def run(options: Namespace) -> int:
    """Train, and print the metrics of the last evaluation."""
    from acmix.config import load_config
    from acmix.utils.interruption import BEFORE_TRAINING, Interrupted, Interruption
    from acmix.utils.outputs import check_output_folder

    try:
        with Interruption() as interruption:  # before MindSpore is imported, which takes SIGINT
            config = load_config(options.config, options.overrides)
            with interruption.ending_at_once(BEFORE_TRAINING, exits=True):
                check_output_folder(config.output)  # before slow imports and work
                from acmix import workflows

            result = workflows.train(config, options.resume, interruption)
    except Interrupted as stop:
        say(stop)
        return stop.code
    step, saved = result.progress.step, f"{config.output}/checkpoints"
    if result.stopped_by is None:
        metrics = "  ".join(f"{name} {value:.4f}" for name, value in result.metrics.items())
        say(f"Finished in {result.seconds:.0f} s: {metrics}  -> {config.output}")
    elif result.progress.is_concluded:
        say(
            f"Stopped by {result.stopped_by} after step {step}, which is saved in {saved}; "
            "continue with --resume auto"
        )
    else:
        say(
            f"Stopped by {result.stopped_by} before the evaluation of step {step}, which is saved "
            f"in {saved}; --resume auto evaluates it and continues"
        )
    return 0
