"""``acmix bench``: images per second, in which form and by which back end."""

from __future__ import annotations

import argparse
import os
from argparse import ArgumentParser, Namespace
from glob import glob
from pathlib import Path
from typing import TYPE_CHECKING

from acmix.errors import check
from acmix.tools.bench.choices import BENCH_BACKENDS, BENCH_TABLES

if TYPE_CHECKING:
    from acmix.tools.bench.reading import Report


def add_to(parser: ArgumentParser, models_help: str, size, positive) -> None:
    """Describe the command; ``size`` and ``positive`` are parsers of values."""
    what = parser.add_argument_group("what is measured")
    what.add_argument("models", nargs="*", metavar="MODEL", help=models_help)
    what.add_argument(
        "--table",
        choices=BENCH_TABLES,
        help="every kind of backbone with its ACmix twin; the paper's Tab. 7; its Tab. 5",
    )
    what.add_argument(
        "--checkpoint", nargs="+", default=[], metavar="CKPT", help="of finished runs"
    )
    what.add_argument(
        "--formulations", action="store_true", help="the operator's parts, each written three ways"
    )
    what.add_argument(
        "--memory", action="store_true", help="with --formulations: their peak memory, too"
    )
    what.add_argument(
        "--data",
        nargs="+",
        metavar=("CONFIG", "key=value"),
        help="the input pipeline of a configuration against its network; which is the bottleneck",
    )
    what.add_argument(
        "--scaling",
        nargs="+",
        metavar=("CONFIG", "CONFIG|key=value"),
        help="training of configurations by several numbers of --workers; cost of their exchange",
    )
    what.add_argument("--baseline", metavar="MODEL", help="what the others are compared with")

    form = parser.add_argument_group("in which form")
    form.add_argument(
        "--fuse",
        action=argparse.BooleanOptionalAction,
        help="the inference form that is exported (default), or the network as it is trained",
    )
    form.add_argument("--training", action="store_true", help="one training step")
    form.add_argument("--raw", action="store_true", help="detectors without their post-processing")
    form.add_argument(
        "--transfer",
        action="store_true",
        help="with the copies of images to the device and of outputs back",
    )
    form.add_argument(
        "--backend",
        choices=tuple(BENCH_BACKENDS),
        default="mindspore",
        help="what runs the networks",
    )
    form.add_argument("--jit-level", choices=("O0", "O1", "O2"), default="", help="MindSpore's")
    gain = form.add_mutually_exclusive_group()
    gain.add_argument(
        "--gain",
        choices=("fuse", "block"),
        help="measure each network without and with: the inference form; the convolution path "
        "without group convolution, as on Ascend",
    )
    gain.add_argument(
        "--graph-kernel",
        dest="gain",
        action="store_const",
        const="graph-kernel",
        help="measure each network without and with MindSpore's graph kernel compiler, after a "
        "check of gradients",
    )

    how = parser.add_argument_group("how")
    how.add_argument(
        "--input-size", type=size, metavar="S or HxW", help="default: 224x224, detectors 800x1333"
    )
    how.add_argument(
        "--batch-size", type=positive, nargs="+", metavar="B",
        help="default: 1 and 8, for the table of detectors 1",
    )  # fmt: skip
    how.add_argument("--warmup", type=positive, default=3, metavar="N", help="rounds")
    how.add_argument("--repeats", type=positive, default=20, metavar="N", help="rounds")
    how.add_argument(
        "--seconds", type=float, default=5.0, metavar="S", help="--data: of each measurement"
    )
    how.add_argument(
        "--workers", type=positive, nargs="+", default=[1, 2], metavar="N",
        help="--scaling: numbers of processes; default: 1 and 2",
    )  # fmt: skip
    how.add_argument("--device", default="auto", choices=("auto", "CPU", "GPU", "Ascend"))
    how.add_argument("--json", metavar="FILE", help="write the result with all samples")
    how.add_argument(
        "--from", dest="sources", nargs="+", metavar="FILE",
        help="render results again, a table each; a pattern like 'models*.json' is several",
    )  # fmt: skip


def run(options: Namespace) -> None:
    """Measure images per second of models on this device."""
    if options.gain == "graph-kernel":
        # Read when OpenMP is loaded, which MindSpore, imported below, does.
        os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    if options.sources:
        _render(options.sources)
    elif options.formulations:
        _formulations(options)
    elif options.data or options.scaling:
        _measure_training(options)
    else:
        _measure(options)


def _render(patterns: list[str]) -> None:
    from acmix.tools.bench.reading import read_report

    files = [file for pattern in patterns for file in sorted(glob(pattern))]
    check(bool(files), f"{', '.join(patterns)} does not exist; --json writes one.")
    reports = [read_report(Path(file).read_text(encoding="utf-8")) for file in files]
    print("\n\n".join(report.render() for report in reports))


def _formulations(options: Namespace) -> None:
    from acmix.config import RuntimeConfig
    from acmix.environment import set_device
    from acmix.tools.bench.formulations import formulations

    set_device(RuntimeConfig(device=options.device))
    print(formulations(warmup=options.warmup, repeats=options.repeats, memory=options.memory))


def _measure_training(options: Namespace) -> None:
    check(
        not (options.models or options.checkpoint or options.table),
        "--data and --scaling: configurations name the networks; leave models and tables out.",
    )
    from acmix.config import load_config
    from acmix.tools.bench.input_pipeline import bench_pipeline
    from acmix.tools.bench.scaling_jobs import bench_scaling

    report: Report
    if options.data:
        file, *overrides = options.data
        report = bench_pipeline(load_config(file, overrides), seconds=options.seconds)
    else:
        report = bench_scaling(
            [name for name in options.scaling if "=" not in name],
            options.workers,
            [name for name in options.scaling if "=" in name],
            warmup=options.warmup,
            repeats=options.repeats,
        )
    _show(report, options.json)


def _measure(options: Namespace) -> None:
    check(
        bool(options.models or options.checkpoint) != bool(options.table),
        "name at least one model or --checkpoint, or a table with --table "
        f"{', '.join(BENCH_TABLES)}; 'acmix list' shows the models.",
    )
    check(
        options.baseline is None or not (options.table or options.gain),
        "--baseline: a table and --gain have their own; leave it out.",
    )
    from acmix.tools.bench.measuring import bench, bench_table
    from acmix.tools.bench.setting import Setting

    conditions = {
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
    if options.table:
        report = bench_table(options.table, **conditions)
    else:
        report = bench(options.models, options.checkpoint, baseline=options.baseline, **conditions)
    _show(report, options.json)


def _show(report: Report, file: str | None) -> None:
    from acmix.utils.files import write_text

    print(report.render())
    if file:
        write_text(Path(file), report.to_json())
