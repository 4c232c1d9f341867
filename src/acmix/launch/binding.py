"""Which cores of a machine each worker gets."""

from __future__ import annotations

import json
import os
import subprocess
import sys

_SECONDS = 60
# MindSpore reads from npu-smi which cores are near which card. Its own msrun calls the same. In a
# process of its own: the launcher stays free of MindSpore, which changes how signals act.
_NEAR_CARDS = """
import json, sys
from mindspore.parallel.cluster.process_entity._utils import _generate_auto_bind_core_strategy
print("\\n" + json.dumps(_generate_auto_bind_core_strategy(int(sys.argv[1]))))
"""


def available_cores() -> list[int]:
    """Return the cores this process may use."""
    return sorted(os.sched_getaffinity(0))


def equal_shares(workers: int) -> list[list[int]]:
    """Return as many cores for every worker."""
    cores = available_cores()
    count = len(cores) // workers
    return [cores[i * count : (i + 1) * count] for i in range(workers)]


def cores_near_cards(workers: int) -> list[list[int]]:
    """Return the cores near the card of every worker, equal shares where npu-smi does not tell."""
    command = [sys.executable, "-c", _NEAR_CARDS, str(workers)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS)
        found = json.loads(done.stdout.splitlines()[-1])
        return [_cores(found[str(card)]) for card in _cards(workers)]
    except (OSError, subprocess.TimeoutExpired, LookupError, ValueError, TypeError):
        return equal_shares(workers)


def _cards(workers: int) -> list[int]:
    """Return the physical number of each worker's card."""
    visible = os.environ.get("ASCEND_RT_VISIBLE_DEVICES", "").strip()
    return sorted(int(card) for card in visible.split(",")) if visible else list(range(workers))


def _cores(numbers: list[int]) -> list[int]:
    cores = sorted({int(number) for number in numbers} & set(available_cores()))
    if not cores:
        raise ValueError("none of the cores may be used")
    return cores
