"""``acmix summary``: counts of parameters and multiply-adds, beside published ones."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from typing import TYPE_CHECKING

from acmix.cli.arguments import (
    MODELS_HELP,
    SIZE_HELP,
    add_input_size,
    add_json,
    add_load,
    add_markdown,
    check_names,
    load_files,
    style,
)
from acmix.errors import check

if TYPE_CHECKING:
    from acmix.tools.analysis.counts import Count

NAME = "summary"
HELP = "Count parameters and multiply-adds of models per layer, or of the paper's models."
EXAMPLE = "acmix summary swin_tiny acmix_swin_tiny"


def add_arguments(parser: ArgumentParser) -> None:
    """Add the command's arguments."""
    from acmix.tools.analysis.count_tables import COUNT_TABLES

    parser.add_argument("models", nargs="*", metavar="MODEL", help=MODELS_HELP)
    parser.add_argument("--table", choices=tuple(COUNT_TABLES), help="count a table of the paper")
    add_input_size(parser, SIZE_HELP)
    parser.add_argument(
        "--depth", type=int, default=2, help="levels of layers to show; default: %(default)s"
    )
    parser.add_argument(
        "--total", action="store_true", help="print one line per model, without layers"
    )
    parser.add_argument(
        "--plot", metavar="FILE", help="draw the published scores of --table over our counts"
    )
    add_json(parser, "the counts")
    add_load(parser, "counts saved by --json, with --table in its layout")
    add_markdown(parser)


def run(options: Namespace) -> None:
    """Count networks or load counts, and print them."""
    from acmix.tools.analysis.count_tables import COUNT_TABLES

    check(
        bool(options.models) != bool(options.table or options.load),
        f"name models, a table of the paper's with --table {' or '.join(COUNT_TABLES)}, or counts "
        "to show with --load.",
    )
    if options.models:
        counts = _count_models(options)
    else:
        counts = _load(options.load) if options.load else _count_table(options)
        print(_render_table(counts, options) if options.table else _totals(counts, options))
    if options.plot:
        from acmix.tools.analysis.plots import plot_scores

        check(bool(options.table), "--plot: it draws a table; name one with --table.")
        plot_scores(COUNT_TABLES[options.table].rows, counts, options.plot)
    if options.json:
        from acmix.tools.analysis.counts import counts_to_json

        options.json.write(counts_to_json(counts))


def _count_models(options: Namespace) -> list[Count]:
    """Count the named models; print the layers of each, and totals."""
    check_names(options.models)
    from acmix.tools.analysis.counts import count_of
    from acmix.tools.analysis.macs import trace
    from acmix.tools.analysis.summary import render_summary
    from acmix.tools.bench.models import create_network, default_size

    counts = []
    for name in options.models:
        size = options.input_size or default_size(name)
        traced = trace(create_network(name), (1, 3, *size))
        counts.append(count_of(name, size, traced))
        if not options.total:
            print(f"{name}\n\n{render_summary(traced, options.depth, style(options))}\n")
    if options.total or len(counts) > 1:
        print(_totals(counts, options))
    return counts


def _count_table(options: Namespace) -> list[Count]:
    """Count the networks of one of the paper's tables."""
    from acmix.tasks import task_of_network
    from acmix.tools.analysis.count_tables import COUNT_TABLES
    from acmix.tools.analysis.counts import count_networks
    from acmix.tools.bench.models import default_size

    arguments = {row.name: row.arguments for row in COUNT_TABLES[options.table].rows}
    size = options.input_size or default_size(next(iter(arguments)))
    return count_networks(
        arguments, size, lambda name: task_of_network(name).create(name, **arguments[name])
    )


def _load(patterns: Sequence[str]) -> list[Count]:
    from acmix.tools.analysis.counts import counts_from_json
    from acmix.tools.saved_results import load_result

    files = load_files(patterns)
    return [count for file in files for count in load_result(file, counts_from_json)]


def _render_table(counts: list[Count], options: Namespace) -> str:
    from acmix.tools.analysis.count_tables import COUNT_TABLES
    from acmix.tools.analysis.paper_table import render_count_table

    return render_count_table(COUNT_TABLES[options.table], counts, style(options))


def _totals(counts: list[Count], options: Namespace) -> str:
    from acmix.utils.table import render_table

    header = ["model", "size", "params", "GMACs", "GMACs with bias, norm, ReLU, pooling"]
    rows = [
        [
            count.name,
            "x".join(map(str, count.size)),
            f"{count.params:,}",
            f"{count.macs / 1e9:.3f}",
            f"{count.san_macs / 1e9:.3f}",
        ]
        for count in counts
    ]
    return render_table(header, rows, style(options))
