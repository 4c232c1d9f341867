"""Communication between devices that are processes of one machine: HCCL's calls over a socket.

The first rank of a group collects what all have and hands out what each gets. Numbers are added in
the order of the ranks, those of 16 bits in float32; HCCL's order is not documented.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping
from multiprocessing.connection import Client, Connection, Listener
from pathlib import Path
from typing import Any

import numpy as np

from acmix.tools.rehearsal.npu.operands import BFLOAT16, read, rounded, view

SECONDS = 600
"""How long a rank waits for the others to join."""

# aclDataType by HcclDataType.
_TYPES = {0: 2, 1: 6, 2: 3, 3: 1, 4: 0, 5: 9, 6: 10, 7: 4, 8: 7, 9: 8, 10: 11, 11: BFLOAT16}
# By HcclReduceOp.
_REDUCTIONS: dict[int, Callable] = {0: np.add, 1: np.multiply, 2: np.maximum, 3: np.minimum}

Parts = list[np.ndarray]
"""Numbers by rank."""


class Group:
    """Ranks that communicate; each makes the same calls in the same order.

    Args:
        folder: where they meet; the first rank removes it.
        size: number of ranks.
        rank: of this process.
    """

    def __init__(self, folder: Path, size: int, rank: int) -> None:
        self.size, self.rank = size, rank
        self._others: dict[int, Connection] = {}
        if rank == 0:
            with Listener(str(folder / "socket"), "AF_UNIX", backlog=size) as listener:
                for _ in range(size - 1):
                    other = listener.accept()
                    self._others[other.recv()] = other
            shutil.rmtree(folder, ignore_errors=True)
        else:
            self._others[0] = _connected(str(folder / "socket"))
            self._others[0].send(rank)

    def exchange(self, mine: np.ndarray, share: Callable[[Parts], Parts]) -> np.ndarray:
        """Return what ``share`` gives this rank of what all ranks have.

        Args:
            mine: what this rank has.
            share: from what the ranks have to what they get; called on the first rank.
        """
        if self.rank:
            self._others[0].send(mine)
            return self._others[0].recv()
        parts = [mine, *(self._others[rank].recv() for rank in range(1, self.size))]
        results = share(parts)
        for rank in range(1, self.size):
            self._others[rank].send(results[rank])
        return results[0]


def _connected(address: str) -> Connection:
    limit = time.monotonic() + SECONDS
    while True:
        try:
            return Client(address, "AF_UNIX")
        except (FileNotFoundError, ConnectionRefusedError):
            if time.monotonic() > limit:
                raise ValueError(f"the first rank did not join within {SECONDS} s") from None
            time.sleep(0.02)


def _all_reduce(call: Mapping[str, Any], parts: Parts) -> Parts:
    return [_reduced(call, parts)] * len(parts)


def _reduce(call: Mapping[str, Any], parts: Parts) -> Parts:
    total = _reduced(call, parts)
    return [total if rank == call["root"] else one for rank, one in enumerate(parts)]


def _reduce_scatter(call: Mapping[str, Any], parts: Parts) -> Parts:
    return np.split(_reduced(call, parts), len(parts))


def _all_gather(call: Mapping[str, Any], parts: Parts) -> Parts:
    return [np.concatenate(parts)] * len(parts)


def _broadcast(call: Mapping[str, Any], parts: Parts) -> Parts:
    return [parts[call["root"]]] * len(parts)


def _scatter(call: Mapping[str, Any], parts: Parts) -> Parts:
    return np.split(parts[call["root"]], len(parts))


def _barrier(call: Mapping[str, Any], parts: Parts) -> Parts:
    return parts


def _reduced(call: Mapping[str, Any], parts: Parts) -> np.ndarray:
    function, total = _REDUCTIONS[call["reduce"]], parts[0]
    for part in parts[1:]:
        total = function(total, part)
    return total


# How the ranks' numbers are shared, and how many times ``count`` a rank sends and receives: 0 for
# once, 1 for as many as there are ranks.
_CALLS: dict[str, tuple[Callable[[Mapping[str, Any], Parts], Parts], int, int]] = {
    "HcclAllReduce": (_all_reduce, 0, 0),
    "HcclReduce": (_reduce, 0, 0),
    "HcclReduceScatter": (_reduce_scatter, 1, 0),
    "HcclAllGather": (_all_gather, 0, 1),
    "HcclBroadcast": (_broadcast, 0, 0),
    "HcclScatter": (_scatter, 1, 0),
    "HcclBarrier": (_barrier, 0, 0),
}
_GROUPS: dict[str, Group] = {}


def serve(call: Mapping[str, Any]) -> None:
    """Join a group (``Join``) or run an exchange; ``stand_in/hccl.cpp`` writes the call.

    Raises:
        ValueError: an exchange that is not known.
    """
    if call["op"] == "Join":
        _GROUPS[call["group"]] = Group(Path(call["group"]), call["size"], call["rank"])
        return
    if call["op"] not in _CALLS:
        raise ValueError("the software NPU has no such communication")
    exchange(_GROUPS[call["group"]], call)


def exchange(group: Group, call: Mapping[str, Any]) -> None:
    """Run an exchange of a group; every rank of it makes the same call."""
    share, many_sent, many_received = _CALLS[call["op"]]
    sent = _numbers(call, "send", group.size if many_sent else 1)
    result = group.exchange(read(sent), lambda parts: share(call, parts))
    received = view(_numbers(call, "receive", group.size if many_received else 1))
    received[...] = rounded(result, sent["dtype"])


def _numbers(call: Mapping[str, Any], key: str, times: int) -> dict[str, Any]:
    """Describe numbers of a call as an operand."""
    shape = [call["count"] * times]
    return {"dtype": _TYPES[call["dtype"]], "shape": shape, "address": call[key]}
