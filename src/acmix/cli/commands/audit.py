"""``acmix audit``: what is registered for Ascend of a graph, and what is not."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from acmix.cli.arguments import (
    OVERRIDES_HELP,
    add_fuse,
    add_input_size,
    add_json,
    add_load,
    add_markdown,
    check_names,
    load_files,
    positive,
    split_overrides,
    style,
)
from acmix.errors import check

if TYPE_CHECKING:
    from acmix.config import Config
    from acmix.tools.audit.report import Audit

NAME = "audit"
HELP = "Look up what is registered for Ascend of a graph; exit code 1 if something is not."
EXAMPLE = "acmix audit acmix_swin_tiny --training train.amp=O2"

_CONFIG_SUFFIXES = (".yaml", ".yml")


def add_arguments(parser: ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "target",
        nargs="*",
        metavar="TARGET|key=value",
        help="a .mindir file, a configuration, or a name out of 'acmix list' or 'acmix list "
        f"--detectors'; for the last two: {OVERRIDES_HELP}",
    )
    parser.add_argument(
        "--training", action="store_true", help="the training step: forward, backward, update"
    )
    add_input_size(parser, "default: evaluation's")
    parser.add_argument("--batch-size", type=positive, default=1, metavar="B")
    parser.add_argument("--dynamic-batch", action="store_true", help="any batch size")
    parser.add_argument("--fp16", action="store_true", help="as exported in float16")
    add_fuse(parser)
    parser.add_argument("--strict", action="store_true", help="fail on what is to be reviewed too")
    add_load(parser, "audits that --json wrote, or inventories, as one table")
    add_json(parser, "the audit")
    add_markdown(parser)


def run(options: Namespace) -> int:
    """Audit, and print verdict and evidence; or show kept audits."""
    targets, overrides = split_overrides(options.target)
    check(
        len(targets) == (0 if options.load else 1),
        "name one .mindir file, one configuration or one model, or kept audits with --load.",
    )
    if options.load:
        return _show_kept(options)
    result = _audit(targets[0], overrides, options)
    print(result.render(style(options)))
    if options.json:
        options.json.write(result.to_json())
    return 0 if result.passed(options.strict) else 1


def _show_kept(options: Namespace) -> int:
    from acmix.tools.audit.inventory import Inventory

    inventory = Inventory.load(*load_files(options.load))
    print(inventory.render(style(options)))
    if options.json:
        options.json.write(inventory.to_json())
    return 0


def _audit(target: str, overrides: Sequence[str], options: Namespace) -> Audit:
    from acmix.tools.audit.networks import audit_config, audit_file

    if Path(target).suffix == ".mindir":
        _check_is_of_file(overrides, options)
        return audit_file(target)
    return audit_config(
        _config(target, overrides),
        training=options.training,
        batch_size=options.batch_size,
        input_size=options.input_size,
        dynamic_batch=options.dynamic_batch,
        fused=options.fuse,
        fp16=options.fp16,
    )


def _config(target: str, overrides: Sequence[str]) -> Config:
    """Read a configuration file, or make the configuration of a registered name."""
    from acmix.config import load_config
    from acmix.workflows.runs import named_config

    if Path(target).is_file() or "/" in target or Path(target).suffix in _CONFIG_SUFFIXES:
        return load_config(target, overrides)
    check_names([target], "TARGET")
    return named_config(target, overrides)


def _check_is_of_file(overrides: Sequence[str], options: Namespace) -> None:
    asked = (options.training, options.dynamic_batch, options.input_size, options.fp16, overrides)
    check(
        not any(asked),
        "a .mindir file is audited as it is: --training, --input-size, --dynamic-batch, --fp16 and "
        "overrides are for a configuration or a model.",
    )
