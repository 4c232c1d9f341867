"""Steps that check the machine and MindSpore. Each returns its finding, or raises."""

from __future__ import annotations

import json
import math
import os
import re
import sys

import numpy as np

from acmix.tools.ascend_check.session import Failed, Session, Skipped, last_line

EPOCHS = 2
TOLERANCE = 2e-2
"""Allowed difference between devices, relative to the largest output. The cube unit rounds inputs
of float32 products and convolutions to fewer bits."""

# Options of a benchmark on a stand-in, where only that it runs counts.
_ONCE = ("--warmup", "1", "--repeats", "1")


def driver(session: Session) -> str:
    """Check that npu-smi lists healthy chips."""
    output = session.call(session.tool("npu-smi", "the Ascend driver"), "info")
    chips = re.findall(r"^\|\s*\d+\s+(\d{3}\w*)\s*\|\s*(\w+)", output, re.M)
    if not chips:
        raise Failed("npu-smi lists no chip")
    session.npu = chips[0][0]
    ill = [f"{name} is {health}" for name, health in chips if health.upper() != "OK"]
    if ill:
        raise Failed(f"of {len(chips)} chips {', '.join(ill)}")
    version = re.search(r"Version:\s*(\S+)", output)
    return f"{len(chips)} x {session.npu}, npu-smi {version[1] if version else 'of no version'}"


def environment(session: Session) -> str:
    """Check that ``acmix env`` reports no errors."""
    file = session.folder / "env.json"
    session.acmix("env", "--json", file, accepted=(0, 1))  # 1 means errors, which are read below
    found = json.loads(session.need(file, "environment").read_text(encoding="utf-8"))
    session.facts = found["facts"]
    session.device = session.facts["device"] or ""
    versions = ", ".join(f"{key} {session.facts[key]}" for key in ("acmix", "python", "mindspore"))
    errors = [problem["what"] for problem in found["problems"] if problem["level"] == "error"]
    if errors:
        raise Failed(f"{versions}; {'; '.join(errors)}")
    warnings = "; ".join(problem["what"] for problem in found["problems"])
    return versions + (f"; {warnings}" if warnings else "")


def cann(session: Session) -> str:
    """Check that the CANN toolkit is installed and its environment set."""
    version = session.facts.get("cann")
    if version is None:
        raise Skipped("no CANN toolkit: neither ASCEND_HOME_PATH nor /usr/local/Ascend")
    if not os.environ.get("ASCEND_HOME_PATH"):
        raise Failed(f"CANN {version} is installed, but its set_env.sh was not sourced")
    if session.stand_in:
        return "stand-ins for CANN's libraries, no driver"
    return f"CANN {version}, driver {session.facts.get('ascend_driver') or 'of no version'}"


def device(session: Session) -> str:
    """Check that MindSpore can use the NPU."""
    if session.device != "Ascend" and session.npu and session.facts.get("cann"):
        raise Failed(
            f"driver and CANN are there, but MindSpore {session.facts.get('mindspore')} uses "
            f"{session.device}; see which versions of CANN it is made for"
        )
    session.need_ascend()
    return "MindSpore uses Ascend" + (", which is a stand-in" if session.stand_in else "")


def training(session: Session) -> str:
    """Train briefly and check that the loss falls."""
    output = session.folder / "training"
    schedule = (f"train.epochs={EPOCHS}", "schedule.warmup_epochs=0")
    session.acmix("train", session.config, f"output={output}", *schedule)
    lines = (output / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    losses = [json.loads(line)["loss"] for line in lines]
    if any(loss is None or not math.isfinite(loss) for loss in losses):
        raise Failed("the loss is not finite")
    if not losses[-1] < losses[0]:
        raise Failed(f"the loss rose from {losses[0]:.3f} to {losses[-1]:.3f}")
    return f"on {session.place}: loss {losses[0]:.3f} to {losses[-1]:.3f} in {EPOCHS} epochs"


def forward(session: Session) -> str:
    """Compare outputs of networks on the device with those on CPU."""
    session.need_ascend()
    outputs = {}
    for target in ("CPU", session.device):
        file = session.folder / f"forward_{target}.npz"
        session.call(sys.executable, "-m", "acmix.tools.ascend_check.forward", target, file)
        with np.load(file) as arrays:
            outputs[target] = dict(arrays)
    return compare(outputs["CPU"], outputs[session.device])


def compare(expected: dict[str, np.ndarray], actual: dict[str, np.ndarray]) -> str:
    """Return the largest relative difference of each output.

    Raises:
        Failed: a difference exceeds :data:`TOLERANCE` or is NaN.
    """
    worst = {
        name: float(np.abs(actual[name] - expected[name]).max() / np.abs(expected[name]).max())
        for name in expected
    }
    listed = ", ".join(f"{name} {difference:.1e}" for name, difference in worst.items())
    if not all(difference <= TOLERANCE for difference in worst.values()):
        raise Failed(f"relative difference to CPU of {listed}, allowed {TOLERANCE:.0e}")
    return f"relative difference to CPU of {listed}"


def speed(session: Session) -> str:
    """Measure images per second of the trained network."""
    checkpoint = session.need(session.checkpoint, "training")
    file = session.folder / "speed.json"
    once = _ONCE if session.stand_in else ()
    session.acmix("bench", "models", "--checkpoint", checkpoint, *once, "--json", file)
    timings = json.loads(file.read_text(encoding="utf-8"))["timings"]
    fastest = [
        f"{timing['batch_size'] / np.median(timing['seconds']):.0f} img/s at batch "
        f"{timing['batch_size']}"
        for timing in timings
    ]
    if session.stand_in:
        return f"measured at {len(fastest)} batch sizes; a stand-in's speed means nothing"
    return f"on {session.device}: {', '.join(fastest)}"


def table(session: Session, name: str) -> str:
    """Run a benchmark of ``acmix bench table`` for the documentation."""
    if session.tables is None:
        session.need_ascend()
        if session.stand_in:
            raise Skipped("a stand-in's speed means nothing; --tables rehearses a table once")
    elif name not in session.tables:
        raise Skipped("not among --tables")
    file = session.folder / f"{name}.json"
    once = ("--batch-size", "1", *_ONCE) if session.stand_in else ()
    output = session.acmix("bench", "table", name, *once, "--json", file)
    measured = json.loads(file.read_text(encoding="utf-8"))
    if session.stand_in:
        return f"{len(measured['timings'])} networks ran; a stand-in's speed means nothing"
    session.benchmarks[name] = measured
    return last_line(output)
