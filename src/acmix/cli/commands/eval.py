"""``acmix eval``: evaluation of a checkpoint."""

from __future__ import annotations

import json
from argparse import ArgumentParser, Namespace
from pathlib import Path

from acmix.cli.arguments import add_checkpoint, add_config, add_json, add_score, positive
from acmix.cli.console import say
from acmix.cli.outputs import OutputFile, OutputFolder
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
    parser.add_argument(
        "--pictures",
        type=positive,
        metavar="N",
        help="also write pictures of N validation images, the truth beside the prediction",
    )
    parser.add_argument(
        "--output",
        type=OutputFolder,
        metavar="DIR",
        help="folder for the pictures; default: pictures, in the run folder of the checkpoint",
    )
    add_score(parser)
    add_json(parser, "the metrics")


def run(options: Namespace) -> None:
    """Print the metrics, and write the requested files."""
    from acmix import workflows
    from acmix.config import load_config
    from acmix.tasks import get_task
    from acmix.tasks.evaluation_files import shown

    config = load_config(options.config, options.overrides)
    files = _files(config, options)
    task = get_task(config.task)
    for option, file in files.items():
        task.check_eval_file(option, file)
    options.checkpoint = str(workflows.model_file(options.checkpoint))
    folder = _picture_folder(options)
    metric, classes = workflows.evaluate(config, options.checkpoint)
    report = task.report(metric, classes)
    print("  ".join(f"{name} {report[name]:.4f}" for name in metric.compute()))
    if options.per_class:
        for name, value in report["per_class"].items():
            say(f"  {name}: {shown(value)}")
    for option, file in files.items():
        task.write_eval_file(option, metric, classes, file)
        say(f"Wrote {file}")
    if options.json:
        options.json.write(json.dumps(report, indent=1))
    if folder:
        count = workflows.write_comparisons(
            config, options.checkpoint, options.pictures, folder, options.score
        )
        say(f"Wrote {count} pictures into {folder}")


def _picture_folder(options: Namespace) -> Path | None:
    """Return the folder of ``--pictures``; None if none are asked for."""
    from acmix.utils.outputs import check_output_folder
    from acmix.workflows.runs import run_folder

    if options.pictures is None:
        check(options.output is None, "--output is the folder for --pictures N; add that.")
        return None
    run = run_folder(options.checkpoint)
    check(
        options.output is not None or (run / "config.yaml").is_file(),
        f"--pictures: {options.checkpoint} is in no run folder; name a folder with --output DIR.",
    )
    folder = Path(options.output or run / "pictures")
    check_output_folder(folder)
    return folder


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
