"""``acmix check-ascend``: what an engineer runs on an Ascend machine, and what is kept of it."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from acmix.tools.bench.choices import BENCH_TABLES


def add_to(parser: ArgumentParser) -> None:
    """Describe the command's arguments."""
    parser.add_argument(
        "--output", default="runs/check_ascend", metavar="DIR", help="for logs, files, results"
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
        choices=BENCH_TABLES,
        help="tables of speeds to measure; default: all on Ascend, none elsewhere",
    )
    parser.add_argument("--soc", default="", help="chip for ATC; default: what npu-smi names")
    kept = parser.add_mutually_exclusive_group()
    kept.add_argument(
        "--merge", metavar="FILE", help="put a check_ascend.json into --results, and check nothing"
    )
    kept.add_argument(
        "--show", action="store_true", help="show the checks kept in --results, and check nothing"
    )
    parser.add_argument("--results", default="docs/results", metavar="DIR")
    parser.add_argument("--markdown", action="store_true", help="print Markdown tables")


def run(options: Namespace) -> int:
    """Check an Ascend machine from the driver to the tables of speeds; exit code 1 on a FAIL."""
    from acmix.tools.ascend_check import results, runner
    from acmix.utils.table import Style

    style: Style = "markdown" if options.markdown else "text"
    if options.merge:
        for file in results.merge(options.merge, options.results):
            print(f"Wrote {file}")
        print("Now run python scripts/update_readme.py")
        return 0
    if options.show:
        print(results.render(results.read_reports(options.results), style))
        return 0
    report = runner.run_checks(
        options.output, options.config, tables=options.tables, soc=options.soc
    )
    print(f"\n{results.render([report], style)}\n\nWrote {options.output}/check_ascend.json")
    return int(report.failed)
