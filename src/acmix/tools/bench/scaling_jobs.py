"""Training of a configuration by several numbers of workers, each in a job of its own."""

from __future__ import annotations

import io
import json
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from acmix.config import load_config
from acmix.environment import describe, resolve_device
from acmix.errors import UserError, check
from acmix.launch import Job, launch
from acmix.tools.bench.scaling import ScalingReport, ScalingRun

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
    """Train every configuration's network with every number of workers and compare.

    On CPU every worker has one thread on a core of its own, also where it is alone. The batches are
    random and of ``data.batch_size`` on every worker; no data is read.

    Args:
        configs: files of training runs.
        workers: numbers of processes; the fewest are what the others are compared with.
        overrides: of all configurations, ``key=value``.
        warmup: steps before the measured ones.
        repeats: measured steps.

    Raises:
        UserError: more workers than cores, or a job failed.
    """
    check(bool(configs) and bool(workers), "name a configuration and numbers of --workers.")
    # All of it is checked before anything is started.
    devices = [load_config(file, overrides).runtime.device for file in configs]
    jobs = [Job(resolve_device(devices[0]), count) for count in sorted(workers)]
    device = jobs[0].device
    how = [*overrides, f"runtime.device={device}", f"--warmup={warmup}", f"--repeats={repeats}"]
    runs = [_in_a_job(job, [str(file), *how]) for file in configs for job in jobs]
    threads = 1 if device == "CPU" else None
    return ScalingReport(describe() | {"device": device}, threads, warmup, tuple(runs))


def _in_a_job(job: Job, call: Sequence[str]) -> ScalingRun:
    """Run the workers, and read what the first of them found."""
    console = io.StringIO()
    with tempfile.TemporaryDirectory() as folder, _one_core_each(job):
        output = Path(folder) / "run.json"
        arguments = ["-m", _WORKER, *call, f"--output={output}"]
        code = launch(job, arguments, Path(folder) / "logs", console)
        if code or not output.is_file():
            raise UserError(
                f"{job.workers} workers failed:\n{console.getvalue()[-_SHOWN_CHARACTERS:]}"
            )
        return ScalingRun.from_dict(json.loads(output.read_text(encoding="utf-8")))


@contextmanager
def _one_core_each(job: Job) -> Iterator[None]:
    """Let the processes that are started inside have a core and a thread for each worker."""
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
