"""``acmix check-ascend``: the check of an Ascend machine, and what is kept of it."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from acmix.cli.arguments import add_markdown, load_files, style
from acmix.tools.analysis.paper import SPEED_TABLES

NAME = "check-ascend"
HELP = "Check an Ascend machine from the driver to the tables of speeds; exit code 1 on a FAIL."
EXAMPLE = "acmix check-ascend"


def add_arguments(parser: ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "--output",
        default="runs/check_ascend",
        metavar="DIR",
        help="for logs, files, results; default: %(default)s",
    )
    parser.add_argument(
        "--config",
        default="configs/classification/digits_acmix_swin.yaml",
        metavar="CONFIG",
        help="what the smoke training trains; default: %(default)s",
    )
    parser.add_argument(
        "--tables",
        nargs="*",
        choices=tuple(SPEED_TABLES),
        help="tables of speeds to measure; default: all on Ascend, none elsewhere",
    )
    parser.add_argument("--soc", default="", help="chip for ATC; default: what npu-smi names")
    kept = parser.add_mutually_exclusive_group()
    kept.add_argument(
        "--merge",
        metavar="FILE",
        help="put a check_ascend.json into --results, and check nothing",
    )
    kept.add_argument(
        "--load",
        nargs="+",
        metavar="FILE|DIR",
        help="show the checks kept in files or in folders like docs/results, check nothing",
    )
    parser.add_argument(
        "--results",
        default="docs/results",
        metavar="DIR",
        help="folder to --merge into; default: %(default)s",
    )
    add_markdown(parser)


def run(options: Namespace) -> int:
    """Run the steps; or keep or show the results of a check."""
    from acmix.tools.ascend_check import results, runner

    if options.merge:
        for file in results.merge(options.merge, options.results):
            print(f"Wrote {file}")
        print("Now run python scripts/update_docs.py")
        return 0
    if options.load:
        reports = [report for path in load_files(options.load) for report in _read(path)]
        print(results.render(reports, style(options)))
        return 0
    report = runner.run_checks(
        options.output, options.config, tables=options.tables, soc=options.soc
    )
    print(
        f"\n{results.render([report], style(options))}\n\nWrote {options.output}/check_ascend.json"
    )
    return int(report.failed)


def _read(path):
    """Read the checks of a folder, or one."""
    from acmix.tools.ascend_check import results

    if path.is_dir():
        return results.read_reports(path)
    return [results.CheckReport.from_json(path.read_text(encoding="utf-8"))]
