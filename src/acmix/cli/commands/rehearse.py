"""``acmix rehearse``: another command on a stand-in for an Ascend device."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from acmix.cli.arguments import add_json, add_markdown, positive, style
from acmix.cli.outputs import OutputFolder
from acmix.errors import check

NAME = "rehearse"
HELP = "Run a command through MindSpore's Ascend back end without a device."
EXAMPLE = "acmix rehearse --jit-level O0 -- bench models acmix_resnet26 --batch-size 1"


def add_arguments(parser: ArgumentParser) -> None:
    """Add the command's arguments."""
    from acmix.tools.rehearsal.rehearse import LEVELS, SOCS

    parser.add_argument(
        "words", nargs="+", metavar="COMMAND", help="command of acmix with its arguments, after --"
    )
    parser.add_argument(
        "--soc", choices=SOCS, default=SOCS[0], help="chip to stand in for; default: %(default)s"
    )
    parser.add_argument(
        "--jit-level",
        choices=LEVELS,
        default="",
        help="level of MindSpore's graph compiler; default: MindSpore's for the chip",
    )
    parser.add_argument(
        "--ranks",
        type=positive,
        default=1,
        metavar="N",
        help="processes that train together, each on a stand-in of its own; default: %(default)s",
    )
    parser.add_argument(
        "--no-compute",
        action="store_true",
        help="leave the kernels empty, which takes less time; all numbers are zeros",
    )
    parser.add_argument(
        "--output",
        type=OutputFolder,
        metavar="DIR",
        help="empty folder for the command's output, its log and the recorded calls",
    )
    add_json(parser, "the report")
    add_markdown(parser)


def run(options: Namespace) -> int:
    """Rehearse and print the report; exit code 1 if the command or the back end failed."""
    from acmix.cli import make_parser

    check(options.words[0] != NAME, "name another command: a rehearsal rehearses no rehearsal.")
    make_parser().parse_args(options.words)  # a wrong word ends here, before anything is built
    from acmix.tools.rehearsal.rehearse import rehearse
    from acmix.tools.rehearsal.report import scope

    computes = not options.no_compute
    if computes:  # what the command prints comes before the report
        print(scope(options.soc, computes), flush=True)
    result = rehearse(
        "acmix",
        options.words,
        soc=options.soc,
        jit_level=options.jit_level,
        computes=computes,
        ranks=options.ranks,
        folder=options.output and Path(options.output),
    )
    print(result.render(style(options)))
    if options.json:
        options.json.write(result.to_json())
    return 0 if result.passed else 1
