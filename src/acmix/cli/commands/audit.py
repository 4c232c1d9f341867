"""``acmix audit``: audit of a graph against MindSpore's registries for Ascend."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from acmix.cli.arguments import (
    MODELS_HELP,
    OVERRIDES_HELP,
    add_exported_batch,
    add_fuse,
    add_input_size,
    add_json,
    add_load,
    add_markdown,
    check_names,
    load_files,
    split_overrides,
    style,
)
from acmix.errors import check

if TYPE_CHECKING:
    from acmix.config import Config
    from acmix.tools.audit.report import Audit

NAME = "audit"
HELP = "Check that a graph's operators are registered for Ascend; exit code 1 if not."
EXAMPLE = "acmix audit acmix_swin_tiny --training train.amp=O2"

_CONFIG_SUFFIXES = (".yaml", ".yml")
_LEVELS = ("O0", "O2", "AIR")


EXPORT_FOR_ASCEND = (
    "A file holds the formulations of the device for which it was exported. On any host, write "
    "Ascend's: acmix export CONFIG --checkpoint CKPT --format mindir --target ascend --output FILE"
)
"""Remedy for a file that does not pass."""


def add_arguments(parser: ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "target",
        nargs="*",
        metavar="TARGET|key=value",
        help=f".mindir file, configuration, or {MODELS_HELP}; except for files: {OVERRIDES_HELP}",
    )
    parser.add_argument(
        "--training", action="store_true", help="audit the training step: forward, backward, update"
    )
    add_input_size(parser, "image size in pixels; default: that of the evaluation")
    add_exported_batch(parser, None, "1, with --training 2")
    parser.add_argument(
        "--level",
        choices=_LEVELS,
        help="audit for one way to the device: jit_level O0 or O2, or the file format AIR; "
        "default: all, with --training O0 and O2",
    )
    parser.add_argument("--fp16", action="store_true", help="audit the export in float16")
    add_fuse(parser)
    parser.add_argument("--strict", action="store_true", help="also fail on the verdict REVIEW")
    add_load(parser, "audits saved by --json, or inventories, as one table")
    add_json(parser, "the audit")
    add_markdown(parser)


def run(options: Namespace) -> int:
    """Audit and print verdict and evidence, or show saved audits."""
    targets, overrides = split_overrides(options.target)
    check(
        len(targets) == (0 if options.load else 1),
        "name one .mindir file, one configuration or one model, or saved audits with --load.",
    )
    if options.load:
        return _show_saved(options)
    result = _audit(targets[0], overrides, options)
    print(result.render(style(options)))
    if options.json:
        options.json.write(result.to_json())
    passed = result.passed(options.strict)
    if not passed and _is_file(targets[0]):
        print(f"\n{EXPORT_FOR_ASCEND}")
    return 0 if passed else 1


def _is_file(target: str) -> bool:
    return Path(target).suffix == ".mindir"


def _show_saved(options: Namespace) -> int:
    from acmix.tools.audit.inventory import Inventory

    inventory = Inventory.load(*load_files(options.load))
    print(inventory.render(style(options)))
    if options.json:
        options.json.write(inventory.to_json())
    return 0


def _audit(target: str, overrides: Sequence[str], options: Namespace) -> Audit:
    from acmix.tools.audit.audit import audit_config, audit_file
    from acmix.tools.audit.levels import Level

    level = Level(options.level) if options.level else None
    if _is_file(target):
        _check_file_options(overrides, options)
        return audit_file(target, level)
    return audit_config(
        _config(target, overrides),
        training=options.training,
        batch_size=options.batch_size,
        input_size=options.input_size,
        dynamic_batch=options.dynamic_batch,
        fused=options.fuse,
        fp16=options.fp16,
        level=level,
    )


def _config(target: str, overrides: Sequence[str]) -> Config:
    """Load a configuration file, or create the configuration of a registered name."""
    from acmix.config import load_config
    from acmix.workflows.runs import named_config

    if Path(target).is_file() or "/" in target or Path(target).suffix in _CONFIG_SUFFIXES:
        return load_config(target, overrides)
    check_names([target], "TARGET")
    return named_config(target, overrides)


def _check_file_options(overrides: Sequence[str], options: Namespace) -> None:
    given = (options.training, options.dynamic_batch, options.input_size, options.fp16, overrides)
    check(
        not any(given),
        "a .mindir file is audited as it is: --training, --input-size, --dynamic-batch, --fp16 and "
        "overrides are for a configuration or a model.",
    )
