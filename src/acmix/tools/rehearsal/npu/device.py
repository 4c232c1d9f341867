"""What the stand-ins call: :func:`compute` takes an operator's call and writes its outputs."""

from __future__ import annotations

import json
import sys
import traceback
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from acmix.tools.rehearsal.npu import calls, graphs, groups

_KINDS: dict[str, Callable[[Mapping[str, Any]], None]] = {
    "aclnn": calls.aclnn,
    "aclop": calls.aclop,
    "ge": graphs.serve,
    "hccl": groups.serve,
}

FAILURE = "software NPU: "
"""How a line of the log begins that says what failed."""


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
        answer = f"{FAILURE}{call['op']}: {error}"
        print(f"{traceback.format_exc()}{answer}", file=sys.stderr, flush=True)
        return answer
    return ""
