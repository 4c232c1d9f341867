"""``acmix eval``: evaluation of a checkpoint."""

from __future__ import annotations

import json
import math
from argparse import ArgumentParser, Namespace
from pathlib import Path

from acmix.cli.arguments import add_checkpoint, add_config, add_json
from acmix.cli.console import say
from acmix.cli.outputs import OutputFile
from acmix.config import TASK_CONFIGS, Config
from acmix.errors import check

NAME = "eval"
HELP = "Evaluate a checkpoint on the validation split."
EXAMPLE = "acmix eval CONFIG --checkpoint runs/NAME/checkpoints/best.ckpt --per-class"


def add_arguments(parser: ArgumentParser) -> None:
    """Add the command's arguments."""
    add_config(parser)
    add_checkpoint(parser)
    parser.add_argument(
        "--per-class", action="store_true", help="print the main metric of each class"
    )
    for option, what in _eval_files().items():
        parser.add_argument(f"--{option}", type=OutputFile, metavar="FILE", help=what)
    add_json(parser, "the metrics")


def run(options: Namespace) -> None:
    """Print the metrics, and write the requested files."""
    from acmix import workflows
    from acmix.config import load_config
    from acmix.tasks import get_task

    config = load_config(options.config, options.overrides)
    files = _files(config, options)
    task = get_task(config.task)
    for option, file in files.items():
        task.check_eval_file(option, file)
    metric, classes = workflows.evaluate(config, options.checkpoint)
    report = task.report(metric, classes)
    print("  ".join(f"{name} {report[name]:.4f}" for name in metric.compute()))
    if options.per_class:
        for name, value in report["per_class"].items():
            shown = "not in the data" if value is None or math.isnan(value) else f"{value:.4f}"
            say(f"  {name}: {shown}")
    for option, file in files.items():
        task.write_eval_file(option, metric, classes, file)
        say(f"Wrote {file}")
    if options.json:
        options.json.write(json.dumps(report, indent=1))


def _eval_files() -> dict[str, str]:
    """Return what the tasks can write: the help text by option; several tasks may have one."""
    texts: dict[str, list[str]] = {}
    for task, cls in TASK_CONFIGS.items():
        for option, what in cls.eval_files.items():
            texts.setdefault(option, []).append(f"{task}: {what}")
    return {option: "; ".join(whats) for option, whats in texts.items()}


def _files(config: Config, options: Namespace) -> dict[str, Path]:
    """Return the requested files by option; raise UserError for those of another task."""
    files = {}
    for option in _eval_files():
        if getattr(options, option) is not None:
            owners = [task for task, cls in TASK_CONFIGS.items() if option in cls.eval_files]
            check(
                config.task in owners,
                f"--{option} is for task={' or '.join(owners)}, not {config.task}.",
            )
            files[option] = Path(getattr(options, option))
    return files
