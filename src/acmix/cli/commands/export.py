"""``acmix export``: export of a checkpoint."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from acmix.cli.arguments import (
    add_checkpoint,
    add_class_file,
    add_config,
    add_exported_batch,
    add_fuse,
    add_input_size,
)
from acmix.cli.console import say
from acmix.cli.outputs import OutputFile
from acmix.export.formats import FORMATS

_TARGETS = {"ascend": "Ascend", "cpu": "CPU", "gpu": "GPU"}

NAME = "export"
HELP = "Export a checkpoint to MindIR, ONNX or AIR, and verify the file."
EXAMPLE = "acmix export CONFIG --checkpoint CKPT --format mindir --output model.mindir"


def add_arguments(parser: ArgumentParser) -> None:
    """Add the command's arguments."""
    add_config(parser)
    add_checkpoint(parser)
    parser.add_argument("--format", required=True, choices=tuple(FORMATS), help="file format")
    parser.add_argument(
        "--output", type=OutputFile, required=True, metavar="PATH", help="file to write"
    )
    add_exported_batch(parser)
    add_input_size(
        parser,
        "image size of a detector or segmenter, in pixels; default: the largest that is evaluated, "
        "of a segmenter the training crop",
    )
    parser.add_argument("--fp16", action="store_true", help="compute in float16")
    parser.add_argument(
        "--target",
        choices=_TARGETS,
        help="make the file for this device; default: for the device of this process",
    )
    parser.add_argument(
        "--raw",
        action="store_true",
        help="leave post-processing to the reader: a detector outputs logits and boxes of all "
        "anchors, a segmenter the logits of its head instead of labels",
    )
    add_class_file(parser)
    add_fuse(parser)
    parser.add_argument(
        "--no-verify", action="store_true", help="skip the comparison of file and checkpoint"
    )


def run(options: Namespace) -> int:
    """Write the file, and print its difference to the checkpoint; 1 if Ascend cannot run it."""
    from acmix.export import check_export

    check_export(options.output, options.format)  # before slow imports and work
    from acmix import workflows
    from acmix.config import load_config

    report = workflows.export(
        load_config(options.config, options.overrides),
        workflows.model_file(options.checkpoint),
        options.output,
        format=options.format,
        batch_size=options.batch_size,
        input_size=options.input_size,
        dynamic_batch=options.dynamic_batch,
        fp16=options.fp16,
        class_file=options.classes,
        raw=options.raw,
        fused=options.fuse,
        verify=not options.no_verify,
        target=_TARGETS[options.target] if options.target else None,
    )
    checked = report.note
    if report.max_abs_diff is not None:
        checked = f"verified, max abs difference {report.max_abs_diff:.2e}"
    verdict, code = "", 0
    if options.target == "ascend" and options.format == "mindir":
        from acmix.tools.audit.audit import audit_file

        audit = audit_file(report.path)
        verdict, code = f"; audit for Ascend: {audit.verdict.value}", int(not audit.passed(False))
    size = report.bytes / 2**20
    say(f"Wrote {report.path} ({size:.1f} MiB) and {report.path}.json; {checked}{verdict}")
    return code
