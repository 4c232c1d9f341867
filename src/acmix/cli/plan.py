"""``acmix plan``: memory, communication and time of a run on a cluster that is not at hand."""

from __future__ import annotations

import argparse
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path


def add_to(parser: argparse.ArgumentParser, positive: Callable[[str], int]) -> None:
    """Describe the command's arguments, but for the configuration."""

    def numbers(text: str) -> list[int]:
        return [positive(number) for number in text.split(",")]

    parser.add_argument(
        "--devices", type=numbers, required=True, metavar="N,...", help="a row for each"
    )
    parser.add_argument(
        "--device",
        default="ascend-910",
        metavar="NAME | FILE.yaml",
        help="ascend-910 (default), ascend-910b, this-machine (measured), or a file of figures",
    )
    parser.add_argument(
        "--efficiency", type=float, default=0.3, metavar="X",
        help="share of the device's peak that training reaches; default 0.3",
    )  # fmt: skip
    parser.add_argument(
        "--images", type=positive, metavar="N", help="to train on; default ImageNet's or COCO's"
    )
    parser.add_argument(
        "--communication", type=float, default=0.2, metavar="X",
        help="share of a step in the exchange at which it no longer scales; default 0.2",
    )  # fmt: skip
    parser.add_argument("--markdown", action="store_true", help="print Markdown tables")
    parser.add_argument("--json", metavar="FILE", help="write all figures and their sources")


def run(options: Namespace) -> None:
    """Say what a configuration's training takes on n devices, and where it stops scaling.

    Formulas, their sources and what they leave out are in docs/plan.md.
    """
    from acmix.config import load_config
    from acmix.tools.plan.planning import plan_config
    from acmix.utils.files import write_text

    result = plan_config(
        load_config(options.config, options.overrides),
        options.devices,
        device=options.device,
        efficiency=options.efficiency,
        images=options.images,
        communication=options.communication,
    )
    print(result.render("markdown" if options.markdown else "text"))
    if options.json:
        write_text(Path(options.json), result.to_json())
