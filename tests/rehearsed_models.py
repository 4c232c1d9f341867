"""Every architecture on the stand-in for Ascend: kernels and numbers, kept in docs/ascend.

``python tests/rehearsed_models.py [inference|training] [O0|O2] [fp32|amp|bf16] [pattern]`` writes
the files anew; look at the difference before you commit it. Each line is one run of
tests/tools/rehearsal/program.py on the CPU and one on the stand-in, whose operators the software
NPU computes. ``kernels/KIND_LEVEL.json`` has the kernels of inference and of a mixed-precision
training step; ``numbers.json`` how far the two runs are apart, of mixed precision and of float32.
"""

from __future__ import annotations

import fnmatch
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

os.environ.setdefault("GLOG_v", "3")

import audited_models
import numpy as np
from rehearsing import environment, rehearse_program

from acmix.tasks import get_task
from acmix.tools.rehearsal import known
from acmix.tools.rehearsal.report import Rehearsal
from acmix.utils.files import write_text

FOLDER = audited_models.FOLDER
NUMBERS = FOLDER / "kernels" / "numbers.json"
PROGRAM = Path(__file__).parent / "tools" / "rehearsal" / "program.py"
KINDS = ("inference", "training")
LEVELS = ("O0", "O2")
PRECISIONS = {
    "fp32": ("O0", "float16"),
    "amp": ("O2", "float16"),
    "bf16": ("O2", "bfloat16"),
}
"""``train.amp`` and ``train.amp_dtype``."""
KEPT = {"inference": "fp32", "training": "amp"}
"""The precision whose kernels are kept."""
BOUNDS = {"fp32": 1e-4, "amp": 2e-2, "bf16": 1e-1}
"""Largest difference to the CPU: of an output or a norm relative to it, of a loss relative to the
total, as one proposal matched otherwise moves a small one; of a gradient relative to the largest of
all. Steps are compared with the nearest of those of the CPU, for the images and for some that
differ in the last places, and losses and gradients may also be apart by :data:`OWN` times what
these are among themselves, if that is more, and at most by ten times the bound. The CPU computes
float32 where the stand-in computes bfloat16, whose numbers are 2^-8 apart.
"""
OWN = 5

EXCHANGES = {("hccl", f"Hccl{name}") for name in ("AllGather", "AllReduce", "Broadcast")}
"""Of a training on several ranks."""

Differences = dict[str, float]

names = audited_models.names


def of_levels(name: str, kind: str, levels: Sequence[str], precision: str) -> Iterator[Run]:
    """Run an architecture on the CPU once, and on the stand-in at each level."""
    with tempfile.TemporaryDirectory() as folder:
        words = [kind, name, *PRECISIONS[precision], folder]
        reference = subprocess.run(
            [sys.executable, str(PROGRAM), *words],
            env=environment(),
            capture_output=True,
            text=True,
        )
        if reference.returncode:
            raise RuntimeError(reference.stderr[-3000:])
        found, file = (Path(folder) / f"{target}.npz" for target in ("CPU", "Ascend"))
        for level in levels:
            file.unlink(missing_ok=True)
            result = rehearse_program(PROGRAM, words, jit_level=level)
            both = [dict(np.load(one)) for one in (found, file) if one.is_file()]
            yield Run(result, differences(name, kind, *both) if len(both) == 2 else {})


class Run(NamedTuple):
    """A rehearsal, and how far its numbers are from those of the CPU."""

    result: Rehearsal
    differences: Differences


def within(found: Differences, precision: str) -> bool:
    """Whether numbers are within their bounds."""
    bound = BOUNDS[precision]
    return all(
        value <= max(bound, min(OWN * found.get(f"own {name}", 0), 10 * bound))  # not of NaN
        for name, value in found.items()
        if not name.startswith("own ")
    )


def differences(
    name: str, kind: str, cpu: Mapping[str, Any], npu: Mapping[str, Any]
) -> Differences:
    """Return the largest differences, by what they are differences of."""
    if kind == "inference":  # detections have no order
        assert cpu.keys() == npu.keys()
        task = get_task(audited_models.config(name).task)
        outputs = [tuple(found[str(i)] for i in range(len(found))) for found in (npu, cpu)]
        scale = max(1.0, max(np.abs(one).max(initial=0) for one in outputs[1]))
        worst = task.compare(*outputs, "float32", f"{name} on the stand-in") / scale
        return {"output": float(worst)}
    ours = {key: value for key, value in cpu.items() if not key.startswith("own ")}
    draws = {key.split(" ")[1] for key in cpu.keys() - ours.keys()}
    own = [{key: cpu[f"own {draw} {key}"] for key in ours} for draw in draws]
    nearest = min((_of_step(one, npu) for one in (ours, *own)), key=lambda found: found["gradient"])
    again = [_of_step(ours, one) for one in own]
    return nearest | {
        f"own {what}": max(found[what] for found in again) for what in ("loss", "gradient")
    }


def _of_step(one: Mapping[str, Any], other: Mapping[str, Any]) -> Differences:
    """Return how far a training step is from another one."""
    assert one.keys() == other.keys()
    assert one["finite"]
    assert other["finite"]
    moments = [key for key in one if key.startswith("first_moment")]
    assert moments
    totals = {key: f"{key.rpartition(' ')[0]} 0" for key in one if "loss" in key} | {"norm": "norm"}
    largest = max(np.abs(one[key]).max() for key in moments)
    return {
        "loss": max(apart(one[key], other[key], abs(one[total])) for key, total in totals.items()),
        "gradient": max(apart(one[key], other[key], largest) for key in moments),
    }


def apart(one: np.ndarray, other: np.ndarray, scale: float) -> float:
    """Return the largest difference in units of ``scale``; infinity for NaN."""
    worst = float(np.abs(one - other).max() / scale)
    return float("inf") if np.isnan(worst) else worst


def summary(result: Rehearsal) -> dict[str, Any]:
    """Return what is kept of a rehearsal: numbers of nodes and of launches."""
    launched = {kind: result.called(kind) for kind in ("aclnn", "aclop", "ge")}
    return {
        "nodes": lines(result.kernels),
        "launches": lines(
            {(n, kind): c for kind, calls in launched.items() for n, c in calls.items()}
        ),
    }


def lines(counts: Mapping[tuple[str, str], int]) -> dict[str, int]:
    return {f"{name}: {kind}": count for (name, kind), count in sorted(counts.items())}


def file_of(kind: str, level: str = "O0") -> Path:
    return FOLDER / "kernels" / f"{kind}_{level.lower()}.json"


def kept(kind: str, level: str = "O0") -> dict[str, Any]:
    return _load(file_of(kind, level))


def numbers() -> dict[str, dict[str, Differences]]:
    """Return the kept differences by architecture, then by kind, level and precision."""
    return _load(NUMBERS)


def calls_of_tables() -> set[known.Call]:
    """Return all operators that the kept tables ask of CANN, by kind and name."""
    graphs = (graph for kind in KINDS for level in LEVELS for graph in kept(kind, level).values())
    launched = {line for graph in graphs for line in graph["launches"]}
    return {(kind, name) for name, kind in (line.split(": ") for line in launched)} | EXCHANGES


def key_of(kind: str, level: str, precision: str) -> str:
    return f"{kind} {level} {precision}"


def cases() -> list[tuple[str, str, str, str]]:
    """Return all that is kept: name, kind, level, precision. Inference is in float32 only."""
    return [
        (name, kind, level, precision)
        for kind in KINDS
        for level in LEVELS
        for precision in PRECISIONS
        if kind == "training" or precision == "fp32"
        for name in names()
    ]


def _load(file: Path) -> dict[str, Any]:
    return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}


def _store(file: Path, table: Mapping[str, Any]) -> None:
    known = {name: value for name, value in table.items() if name in names()}
    write_text(file, json.dumps(known, indent=1, sort_keys=True) + "\n")


def write(name: str, kind: str, level: str, precision: str, run: Run) -> None:
    if not run.result.passed:
        print(run.result.render())
        return
    found = {what: float(f"{value:.1e}") for what, value in run.differences.items()}
    print(f"{name} {key_of(kind, level, precision)}: {found}", flush=True)
    if not within(run.differences, precision):
        print("This is more than its bound, and is not kept.")
        return
    if precision == KEPT[kind]:
        file = file_of(kind, level)
        _store(file, {**_load(file), name: summary(run.result)})
    table = numbers()
    key = key_of(kind, level, precision)
    table[name] = {**table.get(name, {}), key: found}
    _store(NUMBERS, table)
    write_text(known.FILE, known.text_of(calls_of_tables()))


if __name__ == "__main__":
    words = set(sys.argv[1:])
    chosen = [words & some or some for some in (set(KINDS), set(LEVELS), set(PRECISIONS))]
    patterns = words - {*KINDS, *LEVELS, *PRECISIONS} or {"*"}
    for name in names():
        if not any(fnmatch.fnmatch(name, pattern) for pattern in patterns):
            continue
        for kind, precision in sorted({(kind, precision) for _, kind, _, precision in cases()}):
            levels = [level for level in LEVELS if level in chosen[1]]
            if kind in chosen[0] and precision in chosen[2]:
                runs = of_levels(name, kind, levels, precision)
                for level, run in zip(levels, runs, strict=True):
                    write(name, kind, level, precision, run)
