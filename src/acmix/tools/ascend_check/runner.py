"""The order of the steps, and running them to the end whatever happens."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from acmix.errors import check
from acmix.tools.analysis.paper import SPEED_TABLES
from acmix.tools.ascend_check import deployment, steps
from acmix.tools.ascend_check.results import CheckReport, Status, StepResult
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
    "mindir": partial(deployment.export, format="mindir"),
    "audit": deployment.audit,
    "onnx": partial(deployment.export, format="onnx"),
    "air": partial(deployment.export, format="air"),
    "lite convert": deployment.lite_convert,
    "lite benchmark": deployment.lite_benchmark,
    "atc onnx": partial(deployment.atc, format="onnx"),
    "atc air": partial(deployment.atc, format="air"),
    "speed": steps.speed,
    **{f"table {name}": partial(steps.table, name=name) for name in SPEED_TABLES},
}
"""In the order in which they build on each other."""


def run_checks(
    folder: str | Path,
    config: str | Path,
    *,
    tables: Sequence[str] | None = None,
    soc: str = "",
    execute: Execute = execute,
    progress: Callable[[str], object] = print,
) -> CheckReport:
    """Run all steps and write ``check_ascend.json`` and ``log.txt`` into ``folder``.

    Args:
        folder: new or empty: what an earlier check left there must not pass for this one's.
        config: what the smoke training trains.
        tables: benchmarks to run, out of ``SPEED_TABLES``; None for all on Ascend, none elsewhere.
        soc: chip for ATC where npu-smi does not tell it.
        execute: runs a program.
        progress: called with a line per step.

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
    session = Session(folder, config, tables, soc, execute)
    results = []
    for name, step in STEPS.items():
        results.append(_run(name, step, session))
        done = results[-1]
        progress(f"{done.status}  {name} ({done.seconds:.0f} s): {done.reason}")
        # After every step: a machine that goes down leaves what was found until then.
        report = CheckReport(
            session.device, session.npu, session.facts, tuple(results), session.benchmarks
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
    except Exception as error:  # whatever a strange machine does to a step, the next one is run
        status, reason = "FAIL", repr(error)
    return StepResult(
        name, status, reason, round(time.perf_counter() - start, 1), tuple(session.commands)
    )
