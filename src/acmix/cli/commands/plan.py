"""``acmix plan``: estimates of memory, communication and time of training on a cluster.

docs/plan.md has the formulas, their sources and their limits.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from acmix.cli.arguments import add_config, add_json, add_markdown, positive, style

NAME = "plan"
HELP = "Estimate memory, communication and time of training on n devices."
EXAMPLE = "acmix plan CONFIG --devices 8 64 256"


def add_arguments(parser: ArgumentParser) -> None:
    """Add the command's arguments."""
    add_config(parser)
    parser.add_argument(
        "--devices",
        type=positive,
        nargs="+",
        required=True,
        metavar="N",
        help="numbers of devices, one row each",
    )
    parser.add_argument(
        "--device",
        default="ascend-910",
        metavar="NAME|FILE",
        help="ascend-910, ascend-910b, this-machine (measured), or a YAML file of figures; "
        "default: %(default)s",
    )
    parser.add_argument(
        "--efficiency", type=float, default=0.3, metavar="X",
        help="share of the device's peak that training reaches; default: %(default)s",
    )  # fmt: skip
    parser.add_argument(
        "--images",
        type=positive,
        metavar="N",
        help="size of the training set; default: that of ImageNet, COCO or ADE20K, by the task",
    )
    parser.add_argument(
        "--communication", type=float, default=0.2, metavar="X",
        help="share of the exchange in a step above which training does not scale; "
        "default: %(default)s",
    )  # fmt: skip
    add_json(parser, "all figures with sources")
    add_markdown(parser)


def run(options: Namespace) -> None:
    """Compute the plan and print its tables."""
    from acmix.config import load_config
    from acmix.tools.plan.plan import plan_config

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
