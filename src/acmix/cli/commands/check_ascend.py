"""``acmix check-ascend``: check of an Ascend machine, and its saved results."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from acmix.cli.arguments import add_markdown, load_files, style
from acmix.cli.console import say
from acmix.utils.outputs import check_output_folder

if TYPE_CHECKING:
    from acmix.tools.ascend_check.report import CheckReport

NAME = "check-ascend"
HELP = "Check an Ascend machine from the driver to the speed tables; exit code 1 on a FAIL."
EXAMPLE = "acmix check-ascend"


def add_arguments(parser: ArgumentParser) -> None:
    """Add the command's arguments."""
    from acmix.tools.analysis.paper import SPEED_TABLES

    parser.add_argument(
        "--output",
        default="runs/check_ascend",
        metavar="DIR",
        help="folder for logs, files, results; default: %(default)s",
    )
    parser.add_argument(
        "--config",
        default="configs/classification/digits_acmix_swin.yaml",
        metavar="CONFIG",
        help="configuration of the smoke training; default: %(default)s",
    )
    parser.add_argument(
        "--tables",
        nargs="*",
        choices=tuple(SPEED_TABLES),
        help="speed tables to measure; default: all on Ascend, none elsewhere",
    )
    parser.add_argument("--soc", default="", help="chip for ATC; default: that of npu-smi")
    saved = parser.add_mutually_exclusive_group()
    saved.add_argument(
        "--merge",
        metavar="FILE",
        help="merge a check_ascend.json into --results; runs no checks",
    )
    saved.add_argument(
        "--load",
        nargs="+",
        metavar="FILE|DIR",
        help="show results saved in files or in folders like docs/results; runs no checks",
    )
    parser.add_argument(
        "--results",
        default="docs/results",
        metavar="DIR",
        help="target folder of --merge; default: %(default)s",
    )
    add_markdown(parser)


def run(options: Namespace) -> int:
    """Run the steps, or merge or show saved results."""
    from acmix.tools.ascend_check import report as results
    from acmix.tools.ascend_check import runner

    if options.merge:
        for file in results.merge(options.merge, options.results):
            say(f"Wrote {file}")
        print("Now run python scripts/update_docs.py")
        return 0
    if options.load:
        reports = [report for path in load_files(options.load) for report in _read(path)]
        print(results.render(reports, style(options)))
        return 0
    check_output_folder(options.output)
    report = runner.run_checks(
        options.output, options.config, tables=options.tables, soc=options.soc
    )
    print(f"\n{results.render([report], style(options))}\n")
    say(f"Wrote {options.output}/check_ascend.json")
    return int(report.failed)


def _read(path: Path) -> list[CheckReport]:
    """Read the reports of a folder, or of one file."""
    from acmix.tools.ascend_check.report import read_report, read_reports

    return read_reports(path) if path.is_dir() else [read_report(path)]
