"""Arguments that several benchmarks share, and the output of reports."""

from __future__ import annotations

import os
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from acmix.cli.arguments import (
    SIZE_HELP,
    add_fuse,
    add_input_size,
    add_json,
    add_load,
    add_rounds,
    load_files,
    positive,
)
from acmix.errors import check

if TYPE_CHECKING:
    from acmix.tools.bench.reports import Report


def add_network_options(parser: ArgumentParser) -> None:
    """Add options for the form of the measured networks, the conditions and the output."""
    from acmix.tools.bench.setting import BENCH_BACKENDS

    add_fuse(parser, default=None)
    parser.add_argument("--training", action="store_true", help="measure a training step")
    parser.add_argument(
        "--raw", action="store_true", help="measure networks without their post-processing"
    )
    parser.add_argument(
        "--transfer",
        action="store_true",
        help="include the copies of images to the device and of outputs back",
    )
    parser.add_argument(
        "--backend",
        choices=tuple(BENCH_BACKENDS),
        default="mindspore",
        help="runtime of the networks; default: %(default)s",
    )
    parser.add_argument(
        "--jit-level",
        choices=("O0", "O1", "O2"),
        default="",
        help="level of MindSpore's graph compiler; default: MindSpore's",
    )
    parser.add_argument(
        "--gain",
        choices=("fuse", "block", "recompute", "graph-kernel"),
        help="measure each network without and with an optimisation. fuse: the inference form; "
        "block: the convolution path without group convolution, as on Ascend; recompute: "
        "with --training, blocks computed again in the backward pass, and the memory; "
        "graph-kernel: MindSpore's graph kernel compiler, after a check of gradients",
    )
    add_input_size(parser, SIZE_HELP)
    parser.add_argument(
        "--batch-size", type=positive, nargs="+", metavar="B",
        help="images per call; default: 1 and 8, or those of the table",
    )  # fmt: skip
    add_rounds(parser)
    add_device(parser)
    add_output(parser)


def add_device(parser: ArgumentParser) -> None:
    """Add ``--device``."""
    parser.add_argument(
        "--device",
        default="auto",
        choices=("auto", "CPU", "GPU", "Ascend"),
        help="device target; default: %(default)s",
    )


def set_environment(options: Namespace) -> None:
    """Set environment variables, before MindSpore is imported."""
    if options.gain == "graph-kernel":
        # OpenMP reads it on loading, which happens in the import of MindSpore.
        os.environ.setdefault("OMP_WAIT_POLICY", "passive")


def network_options(options: Namespace) -> dict[str, Any]:
    """Return the options of :func:`add_network_options` for :mod:`acmix.tools.bench.models`."""
    from acmix.tools.bench.setting import Setting

    return {
        "setting": Setting(
            backend=options.backend,
            training=options.training,
            fused=not options.training if options.fuse is None else options.fuse,
            transfer=options.transfer,
            raw=options.raw,
            jit_level=options.jit_level,
        ),
        "gain": options.gain,
        "device": options.device,
        "input_size": options.input_size,
        "batch_sizes": options.batch_size,
        "warmup": options.warmup,
        "repeats": options.repeats,
    }


def add_output(parser: ArgumentParser) -> None:
    """Add ``--json`` and ``--load`` of a benchmark."""
    add_json(parser, "the result with all samples")
    add_load(parser)


def show_result(
    options: Namespace,
    requested: Sequence[str] | str | None,
    measure: Callable[[Namespace], Report],
) -> None:
    """Print the result of a measurement, or those of ``--load``; write it to ``--json``.

    Args:
        options: of the command.
        requested: what the user named to measure; must be empty with ``--load``.
        measure: takes ``options`` and returns the report.
    """
    reports = _load(options, requested) if options.load else [measure(options)]
    print("\n\n".join(report.render() for report in reports))
    if options.json:
        check(len(reports) == 1, "--json: holds one result; --load one file.")
        options.json.write(reports[0].to_json())


def _load(options: Namespace, requested: Sequence[str] | str | None) -> list[Report]:
    check(not requested, "--load: shows results, and measures nothing; name no more than files.")
    from acmix.tools.bench.reports import read_report
    from acmix.tools.saved_results import load_result

    def parse(text: str) -> Report:
        report = read_report(text)
        report.render()
        return report

    return [load_result(file, parse) for file in load_files(options.load)]
