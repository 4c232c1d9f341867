"""``acmix bench scaling``: training by several numbers of workers, one job for each number."""

from __future__ import annotations

import io
import json
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import product
from pathlib import Path

from acmix.config import load_config
from acmix.environment import describe, resolve_device
from acmix.errors import UserError, check
from acmix.launch import Job, launch
from acmix.tools.bench.scaling_report import ScalingReport, ScalingRun
from acmix.utils.progress import with_progress

_WORKER = "acmix.tools.bench.scaling_worker"
_SHOWN_CHARACTERS = 2000


def bench_scaling(
    configs: Sequence[str | Path],
    workers: Sequence[int],
    overrides: Sequence[str] = (),
    *,
    warmup: int = 3,
    repeats: int = 20,
) -> ScalingReport:
    """Train the network of every configuration with every number of workers.

    On CPU every worker, also a single one, has one thread on a separate core. Batches are random,
    with ``data.batch_size`` images per worker; no data is read.

    Args:
        configs: configuration files.
        workers: numbers of processes; the smallest is the baseline.
        overrides: ``key=value`` for all configurations.
        warmup: steps before the measured ones.
        repeats: measured steps.

    Raises:
        UserError: more workers than cores, or a job failed.
    """
    check(bool(configs) and bool(workers), "name a configuration and numbers of --workers.")
    # Check every configuration and job before starting one.
    devices = [load_config(file, overrides).runtime.device for file in configs]
    jobs = [Job(resolve_device(devices[0]), count) for count in sorted(workers)]
    device = jobs[0].device
    common = [*overrides, f"runtime.device={device}", f"--warmup={warmup}", f"--repeats={repeats}"]
    calls = list(product(configs, jobs))
    runs = [
        _run_job(job, [str(file), *common])
        for file, job in with_progress(calls, "training by each number of workers", len(calls))
    ]
    threads = 1 if device == "CPU" else None
    return ScalingReport(describe() | {"device": device}, threads, warmup, tuple(runs))


def _run_job(job: Job, call: Sequence[str]) -> ScalingRun:
    """Run the workers and read the result of the first one."""
    console = io.StringIO()
    with tempfile.TemporaryDirectory() as folder, _one_core_each(job):
        output = Path(folder) / "run.json"
        arguments = ["-m", _WORKER, *call, f"--output={output}"]
        code = launch(job, arguments, Path(folder) / "logs", console)
        if code or not output.is_file():
            end = console.getvalue()[-_SHOWN_CHARACTERS:]
            raise UserError(f"{job.workers} workers failed:", details=end)
        return ScalingRun.from_dict(json.loads(output.read_text(encoding="utf-8")))


@contextmanager
def _one_core_each(job: Job) -> Iterator[None]:
    """Limit processes started inside to one core and one thread per worker."""
    if job.device != "CPU" or not hasattr(os, "sched_setaffinity"):
        yield
        return
    cores, threads = os.sched_getaffinity(0), os.environ.get("OMP_NUM_THREADS")
    os.sched_setaffinity(0, sorted(cores)[: job.workers])
    os.environ["OMP_NUM_THREADS"] = "1"
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)
        del os.environ["OMP_NUM_THREADS"]
        if threads is not None:
            os.environ["OMP_NUM_THREADS"] = threads
