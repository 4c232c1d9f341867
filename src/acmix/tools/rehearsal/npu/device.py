"""What the stand-ins call: :func:`compute` takes an operator's call and writes its outputs."""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from acmix.tools.rehearsal.npu import calls, graphs, groups
from acmix.tools.rehearsal.recordings import FAILURES, FOLDER

_KINDS: dict[str, Callable[[Mapping[str, Any]], None]] = {
    "aclnn": calls.aclnn,
    "aclop": calls.aclop,
    "ge": graphs.serve,
    "hccl": groups.serve,
}


def compute(request: str) -> str:
    """Compute a call of an operator.

    Args:
        request: the call as JSON, with addresses of its operands.

    Returns:
        Why it failed, or an empty text. What is raised here would end in C.
    """
    call = json.loads(request)
    try:
        with np.errstate(all="ignore"):  # infinity and NaN are results like others
            _KINDS[call["kind"]](call)
    except Exception as error:
        failure = f"{call['op']}: {error}"
        print(f"{traceback.format_exc()}software NPU: {failure}", file=sys.stderr, flush=True)
        _record(failure)
        return f"software NPU: {failure}"
    return ""


def _record(failure: str) -> None:
    """Keep a failure for the report: a command may start programs whose log is its own."""
    folder = os.environ.get(FOLDER)
    if folder:
        with open(Path(folder) / FAILURES, "a", encoding="utf-8") as file:
            file.write(" ".join(failure.split()) + "\n")
