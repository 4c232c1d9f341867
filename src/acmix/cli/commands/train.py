"""``acmix train``: training of a model."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from acmix.cli.arguments import add_config
from acmix.cli.console import say
from acmix.utils.next_commands import best_checkpoint, next_commands
from acmix.utils.progress import clock

if TYPE_CHECKING:
    from acmix.config import Config
    from acmix.engine import FitResult

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
        _report(config, result)
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


def _report(config: Config, result: FitResult) -> None:
    """Print the metrics of the last and of the best epoch, and what to do next."""
    from acmix.tasks import get_task

    run, progress = Path(config.output), result.progress
    metrics = "  ".join(f"{name} {value:.4f}" for name, value in result.metrics.items())
    say(f"Finished in {clock(result.seconds)}: {metrics}  -> {run}")
    if progress.best is not None and progress.best_step is not None:
        name = next(iter(get_task(config.task).headline))
        place = _place(progress.best_step, progress.steps_per_epoch)
        say(f"Best: {name} {progress.best:.4f} after {place}  -> {best_checkpoint(run)}")
    say("Next:")
    for command in next_commands(run, result.example):
        say(f"  {command}")


def _place(step: int, steps_per_epoch: int) -> str:
    if steps_per_epoch and step % steps_per_epoch == 0:
        return f"epoch {step // steps_per_epoch}"
    return f"step {step}"
