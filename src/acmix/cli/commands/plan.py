"""``acmix plan``: memory, communication and time of a run on a cluster that is not at hand.

Formulas, their sources and what they leave out are in docs/plan.md.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from acmix.cli.arguments import add_config, add_json, add_markdown, positive, style

NAME = "plan"
HELP = "Say what a configuration's training takes on n devices, and where it stops scaling."
EXAMPLE = "acmix plan CONFIG --devices 8,64,256"


def add_arguments(parser: ArgumentParser) -> None:
    """Add the command's arguments."""
    add_config(parser)
    parser.add_argument(
        "--devices", type=_numbers, required=True, metavar="N,...", help="a row for each"
    )
    parser.add_argument(
        "--device",
        default="ascend-910",
        metavar="NAME|FILE",
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
    add_json(parser, "all figures and their sources")
    add_markdown(parser)


def run(options: Namespace) -> None:
    """Compute the plan and print its tables."""
    from acmix.config import load_config
    from acmix.tools.plan.planning import plan_config

    result = plan_config(
        load_config(options.config, options.overrides),
        options.devices,
        device=options.device,
        efficiency=options.efficiency,
        images=options.images,
        communication=options.communication,
    )
    print(result.render(style(options)))
    if options.json:
        options.json.write(result.to_json())


def _numbers(text: str) -> list[int]:
    return [positive(number) for number in text.split(",")]
