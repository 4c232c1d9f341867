"""``acmix eval``."""

from __future__ import annotations

import json
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import cast

from acmix.cli.arguments import add_checkpoint, add_config, add_json
from acmix.errors import check

NAME = "eval"
HELP = "Evaluate a checkpoint on the validation split."
EXAMPLE = "acmix eval CONFIG --checkpoint runs/NAME/checkpoints/best.ckpt --per-class"


def add_arguments(parser: ArgumentParser) -> None:
    """Add the command's arguments."""
    add_config(parser)
    add_checkpoint(parser)
    parser.add_argument("--per-class", action="store_true", help="print accuracy per class")
    parser.add_argument("--confusion", metavar="PNG", help="draw the confusion matrix")
    parser.add_argument("--results", metavar="FILE", help="write COCO's list of detections")
    add_json(parser, "the metrics")


def run(options: Namespace) -> None:
    """Print the metrics, and write what is asked for."""
    from acmix import workflows
    from acmix.config import load_config
    from acmix.tasks import ClassificationMetric, DetectionMetric
    from acmix.tasks.confusion_plot import plot_confusion_matrix
    from acmix.tasks.workflows import WORKFLOWS
    from acmix.utils.files import write_text

    config = load_config(options.config, options.overrides)
    check(
        options.confusion is None or config.task == "classification",
        "--confusion is for classifiers.",
    )
    check(
        options.results is None or config.task == "detection",
        "--results, COCO's list of detections, is for detectors.",
    )
    metric, classes = workflows.evaluate(config, options.checkpoint)
    report = WORKFLOWS[config.task].report(metric, classes)
    print("  ".join(f"{name} {report[name]:.4f}" for name in metric.compute()))
    if options.per_class:
        for name, accuracy in report["per_class"].items():
            print(f"  {name}: {accuracy:.4f}")
    if options.confusion:
        confusion = cast(ClassificationMetric, metric).confusion[: len(classes), : len(classes)]
        plot_confusion_matrix(confusion, classes, options.confusion)
        print(f"Wrote {options.confusion}")
    if options.results:
        write_text(Path(options.results), json.dumps(cast(DetectionMetric, metric).results))
        print(f"Wrote {options.results}")
    if options.json:
        options.json.write(json.dumps(report, indent=1))
