"""``acmix audit``: what is registered for Ascend of a graph, and what is not."""

from __future__ import annotations

import argparse
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path

from acmix.errors import check


def add_to(
    parser: argparse.ArgumentParser, overrides_help: str, size: Callable, positive: Callable
) -> None:
    """Describe the command's arguments."""
    parser.add_argument(
        "target",
        nargs="*",
        metavar="FILE.mindir | CONFIG",
        help="an exported file, or what to build",
    )
    parser.add_argument("--model", metavar="NAME", help="of 'acmix list' or its --detectors")
    parser.add_argument(
        "--set", dest="overrides", nargs="+", default=[], metavar="key=value",
        help=f"with CONFIG or --model: {overrides_help}",
    )  # fmt: skip
    parser.add_argument(
        "--training", action="store_true", help="the training step: forward, backward, update"
    )
    parser.add_argument("--input-size", type=size, metavar="S or HxW", help="default: evaluation's")
    parser.add_argument("--batch-size", type=positive, default=1, metavar="B")
    parser.add_argument("--dynamic-batch", action="store_true", help="any batch size")
    parser.add_argument("--fp16", action="store_true", help="as exported in float16")
    parser.add_argument(
        "--no-fuse", action="store_true", help="the network as evaluated, not as exported"
    )
    parser.add_argument(
        "--from", dest="inventories", nargs="+", metavar="PATH", help="show kept inventories"
    )
    parser.add_argument("--strict", action="store_true", help="fail on what is to be reviewed too")
    parser.add_argument("--markdown", action="store_true", help="print Markdown tables")
    parser.add_argument("--json", metavar="FILE", help="write the audit")


def run(options: Namespace) -> int:
    """Look up what is registered for Ascend of a graph; exit code 1 if something is not."""
    sources = [*options.target, *filter(None, (options.model, options.inventories))]
    check(
        len(sources) == 1,
        "name one .mindir file, one configuration, or --model NAME; overrides go behind --set.",
    )
    from acmix.utils.table import Style

    style: Style = "markdown" if options.markdown else "text"
    if options.inventories:
        from acmix.tools.audit.inventory import Inventory

        print(Inventory.load(*options.inventories).render(style))
        return 0
    from acmix.config import load_config
    from acmix.tools.audit.networks import audit_config, audit_file
    from acmix.utils.files import write_text
    from acmix.workflows.runs import named_config

    if options.target and Path(options.target[0]).suffix == ".mindir":
        _check_is_of_file(options)
        result = audit_file(options.target[0])
    else:
        config = (
            named_config(options.model, options.overrides)
            if options.model
            else load_config(options.target[0], options.overrides)
        )
        result = audit_config(
            config,
            training=options.training,
            batch_size=options.batch_size,
            input_size=options.input_size,
            dynamic_batch=options.dynamic_batch,
            fused=not options.no_fuse,
            fp16=options.fp16,
        )
    print(result.render(style))
    if options.json:
        write_text(Path(options.json), result.to_json())
    return 0 if result.passed(options.strict) else 1


def _check_is_of_file(options: Namespace) -> None:
    asked = (
        options.training, options.dynamic_batch, options.input_size, options.overrides, options.fp16
    )  # fmt: skip
    check(
        not any(asked),
        "a .mindir file is audited as it is: --training, --input-size, --dynamic-batch, --fp16 and "
        "--set are for a configuration or --model.",
    )
