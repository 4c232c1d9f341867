"""What is launched at O0 for one inference and for one training step, kept in docs/ascend.

``python tests/rehearsed_launches.py [before|now] [pattern]`` counts anew, prints the table of
docs/ascend.md and writes ``kernels/launches.json``. Counts of ``before`` are those of commit
851f243, from before launches were looked at; put this file and tests/tools/rehearsal/one_call.py
there to repeat them. Networks have their full size; one_call.py says what is run.
"""

from __future__ import annotations

import fnmatch
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path

os.environ.setdefault("GLOG_v", "3")

import audited_models
from rehearsing import rehearse_program

from acmix.tools.rehearsal.report import CASTS, Rehearsal
from acmix.utils.files import write_text
from acmix.utils.table import render_table

FILE = audited_models.FOLDER / "kernels" / "launches.json"
PROGRAM = Path(__file__).parent / "tools" / "rehearsal" / "one_call.py"
CALLS = (
    ("inference", "acmix_resnet26", 224),
    ("inference", "acmix_resnet50", 224),
    ("inference", "acmix_swin_tiny", 224),
    ("inference", "acmix_pvt_small", 224),
    ("inference", "retinanet_acmix_pvt_tiny", 256),
    ("training", "acmix_resnet26", 224),
)
TIMES = ("before", "now")
COLUMNS = {
    "launches": "launches",
    "aclop": "of aclop",
    "convolutions": "Conv2D",
    "casts": "casts",
    "megabytes": "operands, MB",
}

Counts = dict[str, int]


def counted(kind: str, name: str, side: int) -> Counts:
    """Rehearse one call; return how much was launched for it."""
    result = rehearse_program(PROGRAM, [kind, name, str(side)], jit_level="O0", computes=False)
    if not result.passed:
        raise RuntimeError(result.render())
    return counts(result)


def counts(result: Rehearsal) -> Counts:
    return {
        "launches": result.launches.total(),
        "aclop": result.launches["aclop"],
        "convolutions": result.called("aclop").get("Conv2D", 0),
        "casts": result.count(CASTS),
        "megabytes": round(result.moved / 1e6),
    }


def kept() -> dict[str, dict[str, Counts]]:
    """Return the kept counts by call, then by time."""
    return json.loads(FILE.read_text(encoding="utf-8")) if FILE.is_file() else {}


def key_of(kind: str, name: str, side: int) -> str:
    return f"{name}, {kind}, {side} x {side}"


def table(found: Mapping[str, Mapping[str, Counts]]) -> str:
    """Render the counts, before and now."""
    rows = [
        (call, *(" -> ".join(str(found[call][time][key]) for time in TIMES) for key in COLUMNS))
        for call in (key_of(*call) for call in CALLS)
        if call in found
    ]
    return render_table(["call", *COLUMNS.values()], rows, "markdown")


if __name__ == "__main__":
    words = set(sys.argv[1:])
    (time,) = words & set(TIMES) or {"now"}
    patterns = words - set(TIMES) or {"*"}
    for call in CALLS:
        if any(fnmatch.fnmatch(call[1], pattern) for pattern in patterns):
            found, key = kept(), key_of(*call)
            found[key] = {**found.get(key, {}), time: counted(*call)}
            write_text(FILE, json.dumps(found, indent=1) + "\n")
            print(f"{key}, {time}: {found[key][time]}", flush=True)
    print(table(kept()))
