"""What several benchmarks share: the form of networks, the device, and reports."""

from __future__ import annotations

import os
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from acmix.cli.arguments import add_fuse, add_input_size, add_rounds, load_files, positive
from acmix.errors import check
from acmix.tools.bench.choices import BENCH_BACKENDS

if TYPE_CHECKING:
    from acmix.tools.bench.reading import Report


def add_form(parser: ArgumentParser) -> None:
    """Add in which form networks are measured."""
    add_fuse(parser, default=None)
    parser.add_argument("--training", action="store_true", help="one training step")
    parser.add_argument(
        "--raw", action="store_true", help="detectors without their post-processing"
    )
    parser.add_argument(
        "--transfer",
        action="store_true",
        help="with the copies of images to the device and of outputs back",
    )
    parser.add_argument(
        "--backend",
        choices=tuple(BENCH_BACKENDS),
        default="mindspore",
        help="what runs the networks",
    )
    parser.add_argument("--jit-level", choices=("O0", "O1", "O2"), default="", help="MindSpore's")
    parser.add_argument(
        "--gain",
        choices=("fuse", "block", "graph-kernel"),
        help="measure each network without and with: the inference form; the convolution path "
        "without group convolution, as on Ascend; MindSpore's graph kernel compiler, after a "
        "check of gradients",
    )


def add_conditions(parser: ArgumentParser) -> None:
    """Add how networks are measured."""
    add_input_size(parser, "default: 224x224, detectors 800x1333")
    parser.add_argument(
        "--batch-size", type=positive, nargs="+", metavar="B",
        help="default: 1 and 8, for the table of detectors 1",
    )  # fmt: skip
    add_rounds(parser)
    add_device(parser)


def add_device(parser: ArgumentParser) -> None:
    """Add ``--device``."""
    parser.add_argument("--device", default="auto", choices=("auto", "CPU", "GPU", "Ascend"))


def prepare(options: Namespace) -> None:
    """Set what must be set before MindSpore is imported."""
    if options.gain == "graph-kernel":
        # Read when OpenMP is loaded, which MindSpore does.
        os.environ.setdefault("OMP_WAIT_POLICY", "passive")


def conditions(options: Namespace) -> dict[str, Any]:
    """Return form and conditions as :mod:`acmix.tools.bench.measuring` takes them."""
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


def show(report: Report, options: Namespace) -> None:
    """Print a result, and write it where ``--json`` says."""
    print(report.render())
    if options.json:
        options.json.write(report.to_json())


def show_kept(options: Namespace, asked: Sequence[str] | str | None) -> None:
    """Print the results that ``--load`` names, a table each.

    Args:
        options: of the command.
        asked: what was named to be measured, which must be nothing.
    """
    check(not asked, "--load: shows results, and measures nothing; name no more than files.")
    from acmix.tools.bench.reading import read_report

    files = load_files(options.load)
    reports = [read_report(file.read_text(encoding="utf-8")) for file in files]
    print("\n\n".join(report.render() for report in reports))
    if options.json:
        check(len(reports) == 1, "--json: holds one result; --load one file.")
        options.json.write(reports[0].to_json())
