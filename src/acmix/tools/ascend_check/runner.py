"""The steps in order, and their execution regardless of failures."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from acmix.environment import stand_in
from acmix.errors import check
from acmix.tools.analysis.paper import SPEED_TABLES
from acmix.tools.ascend_check import deployment_steps, steps
from acmix.tools.ascend_check.report import STAND_IN, CheckReport, Status, StepResult
from acmix.tools.ascend_check.session import Execute, Failed, Session, Skipped, execute
from acmix.utils.files import write_text

RESULTS = "check_ascend.json"

STEPS: dict[str, Callable[[Session], str]] = {
    "driver": steps.driver,
    "environment": steps.environment,
    "cann": steps.cann,
    "device": steps.device,
    "training": steps.training,
    "forward": steps.forward,
    "mindir": partial(deployment_steps.export, format="mindir"),
    "audit": deployment_steps.audit,
    "onnx": partial(deployment_steps.export, format="onnx"),
    "air": partial(deployment_steps.export, format="air"),
    "lite convert": deployment_steps.lite_convert,
    "lite benchmark": deployment_steps.lite_benchmark,
    "atc onnx": partial(deployment_steps.atc, format="onnx"),
    "atc air": partial(deployment_steps.atc, format="air"),
    "speed": steps.speed,
    **{f"table {name}": partial(steps.table, name=name) for name in SPEED_TABLES},
}
"""Steps by name; later ones depend on earlier ones."""


def run_checks(
    folder: str | Path,
    config: str | Path,
    *,
    tables: Sequence[str] | None = None,
    soc: str = "",
    execute: Execute = execute,
    progress: Callable[[str], object] = partial(print, flush=True),  # noqa: B008  # shown at once
) -> CheckReport:
    """Run all steps and write ``check_ascend.json`` and ``log.txt`` into ``folder``.

    Args:
        folder: new or empty, so that earlier files do not count as results.
        config: configuration of the smoke training.
        tables: benchmarks from ``SPEED_TABLES``; None for all on Ascend and none elsewhere.
        soc: chip for ATC; empty for that of npu-smi.
        execute: runs a program.
        progress: receives a line per step.

    Raises:
        UserError: ``folder`` is not empty, or ``config`` does not exist.
    """
    folder, config = Path(folder).resolve(), Path(config).resolve()
    check(config.is_file(), f"config: {config} does not exist.")
    check(
        not folder.exists() or (folder.is_dir() and not any(folder.iterdir())),
        f"output: {folder} is not an empty folder; name another one.",
    )
    folder.mkdir(parents=True, exist_ok=True)
    session = Session(folder, config, tables, soc, stand_in(), execute)
    if session.stand_in:
        progress(STAND_IN.format(session.stand_in))
    results = []
    for name, step in STEPS.items():
        results.append(_run(name, step, session))
        done = results[-1]
        progress(f"{done.status}  {name} ({done.seconds:.0f} s): {done.reason}")
        # After every step, so that a crash of the machine loses no results.
        report = CheckReport(
            session.device,
            session.npu,
            session.facts,
            tuple(results),
            session.benchmarks,
            stand_in=session.stand_in,
        )
        write_text(folder / RESULTS, report.to_json())
    return report


def _run(name: str, step: Callable[[Session], str], session: Session) -> StepResult:
    session.commands = []
    start = time.perf_counter()
    status: Status = "PASS"
    try:
        reason = step(session)
    except Skipped as error:
        status, reason = "SKIP", str(error)
    except Failed as error:
        status, reason = "FAIL", str(error)
    except Exception as error:  # an unexpected error must not prevent the next step
        status, reason = "FAIL", repr(error)
    return StepResult(
        name, status, reason, round(time.perf_counter() - start, 1), tuple(session.commands)
    )
