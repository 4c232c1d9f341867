"""`Job`: the processes of a run by machine, and what MindSpore wants in their environments."""

from __future__ import annotations

import functools
import os
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from acmix.environment import DEVICES
from acmix.errors import UserError, check
from acmix.launch.binding import available_cores, cores_near_cards, equal_shares

DEFAULT_PORT = 8118
"""Default port of the scheduler of a job on several nodes; that of MindSpore's msrun."""

ASSEMBLY_SECONDS = 300
"""Time limit for all processes to connect to the scheduler."""

HEARTBEAT_SECONDS = 60
"""Time without heartbeat after which a machine of several counts as lost and the job ends."""

UNLIMITED_SECONDS = 7 * 86400
"""Time limit of what may be slow, such as a rank that the others wait for."""

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True)
class Job:
    """Processes that train together, ``workers`` on each of ``nodes`` machines.

    Attributes:
        device: a device target.
        workers: processes on each node; on Ascend and GPU one per card.
        nodes: machines; start the launcher once on each.
        node_rank: rank of this machine.
        master: address of node 0.
        port: of the scheduler on node 0; None for a free one, or :data:`DEFAULT_PORT` if there are
            several nodes.
        bind: bind every worker to its own cores.

    Raises:
        UserError: a value is out of range, or the combination is impossible.
    """

    device: str
    workers: int
    nodes: int = 1
    node_rank: int = 0
    master: str | None = None
    port: int | None = None
    bind: bool = True

    def __post_init__(self) -> None:
        check(self.device in DEVICES, f"--device {self.device}: take ascend, gpu or cpu.")
        check(self.workers >= 1, f"--workers must be at least 1, got {self.workers}.")
        check(self.nodes >= 1, f"--nodes must be at least 1, got {self.nodes}.")
        check(
            0 <= self.node_rank < self.nodes,
            f"--node-rank must be in 0..{self.nodes - 1} for --nodes {self.nodes}, got "
            f"{self.node_rank}.",
        )
        check(
            self.nodes == 1 or self.master is not None,
            f"--nodes {self.nodes} needs --master ADDRESS, that of node 0, on every node.",
        )
        check(
            self.port is None or 1024 <= self.port <= 65535,
            f"--port must be in 1024..65535, got {self.port}.",
        )
        check(
            hasattr(os, "sched_getaffinity"),
            "training on several devices works under Linux only, like MindSpore's.",
        )
        cores = len(available_cores())
        check(
            self.workers <= cores,
            f"--workers {self.workers} on the {cores} cores this process may use: give every "
            "worker at least one, by fewer workers or more cores.",
        )

    @property
    def size(self) -> int:
        """Workers on all nodes."""
        return self.workers * self.nodes

    @property
    def ranks(self) -> range:
        """Ranks of the workers on this node."""
        return range(self.node_rank * self.workers, (self.node_rank + 1) * self.workers)

    @property
    def node_timeout(self) -> int:
        """Seconds after which the loss of a machine is noticed."""
        if self.nodes == 1:  # the launcher sees how its own processes end
            return UNLIMITED_SECONDS
        try:
            return int(os.environ.get("MS_NODE_TIMEOUT", HEARTBEAT_SECONDS))
        except ValueError:
            return HEARTBEAT_SECONDS

    def environment(self, base: Mapping[str, str] = os.environ) -> dict[str, str]:
        """Return what all processes of the job have in common; what ``base`` has set stays."""
        threads = max(1, len(available_cores()) // self.workers)
        defaults = {"OMP_NUM_THREADS": str(threads), "GLOG_v": "3", "PYTHONUNBUFFERED": "1"}
        return {
            **defaults,
            **base,
            "MS_SCHED_HOST": _address(self.master or LOOPBACK),
            "MS_SCHED_PORT": str(self._port),
            "MS_WORKER_NUM": str(self.size),
            "MS_TOPO_TIMEOUT": str(ASSEMBLY_SECONDS),
            "MS_HEARTBEAT_RETRY_TIMEOUT": str(self.node_timeout),
            "RANK_SIZE": str(self.size),
        }

    def scheduler_environment(self) -> dict[str, str]:
        """Return what the scheduler has besides."""
        timeout = str(self.node_timeout)
        return {"MS_ROLE": "MS_SCHED", "RANK_ID": "0", "MS_NODE_TIMEOUT": timeout}

    def worker_environment(self, rank: int) -> dict[str, str]:
        """Return what the worker of a rank has besides."""
        return {
            "MS_ROLE": "MS_WORKER",
            "MS_NODE_ID": str(rank),
            "RANK_ID": str(rank),
            "DEVICE_ID": str(rank - self.ranks.start),
            # In a worker this limits how long an exchange on CPU may take: no rank may be slow.
            "MS_NODE_TIMEOUT": str(UNLIMITED_SECONDS),
            "MS_RECEIVE_MSG_TIMEOUT": str(UNLIMITED_SECONDS),
        }

    def cores(self) -> Sequence[list[int] | None]:
        """Return the cores of every worker of this node; None for all."""
        if not self.bind:
            return [None] * self.workers
        # On Ascend near its card.
        return (cores_near_cards if self.device == "Ascend" else equal_shares)(self.workers)

    @functools.cached_property
    def _port(self) -> int:
        return self.port or (DEFAULT_PORT if self.nodes > 1 else _free_port())


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return probe.getsockname()[1]


def _address(master: str) -> str:
    """Return an IP address, which MindSpore needs."""
    try:
        return socket.gethostbyname(master)
    except OSError as error:
        raise UserError(f"--master {master}: {error.strerror}.") from error
