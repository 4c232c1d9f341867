"""`Job`: the processes of a run by machine, and the msrun command that starts them."""

from __future__ import annotations

import json
import os
import socket
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from acmix.environment import DEVICES
from acmix.errors import check

DEFAULT_PORT = 8118
"""Default port of the scheduler of a job on several nodes; msrun's own default."""

ASSEMBLY_SECONDS = 300
"""Time limit for all processes to connect to the scheduler."""

HEARTBEAT_SECONDS = 20
"""Time without heartbeat after which the scheduler declares a process lost and ends the job."""

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

    def command(self, arguments: Sequence[str], log_dir: Path) -> list[str]:
        """Return the msrun command that runs ``python *arguments`` in every worker.

        Args:
            arguments: of the interpreter.
            log_dir: folder for ``worker_<rank>.log``.
        """
        port = self.port or (DEFAULT_PORT if self.nodes > 1 else _free_port())
        return [
            *(sys.executable, "-m", "mindspore.parallel.cluster.run"),
            f"--worker_num={self.size}",
            f"--local_worker_num={self.workers}",
            f"--master_addr={self.master or LOOPBACK}",
            f"--master_port={port}",
            f"--node_rank={self.node_rank}",
            f"--log_dir={log_dir}",
            f"--cluster_time_out={ASSEMBLY_SECONDS}",
            "--join=True",
            f"--bind_core={self._binding()}",
            f"--tail_worker_log={self.size}",  # no such rank: the supervisor shows the log
            *("python", *arguments),
        ]

    def environment(self, base: Mapping[str, str] = os.environ) -> dict[str, str]:
        """Return the environment of the workers; variables in ``base`` take precedence."""
        threads = max(1, len(available_cores()) // self.workers)
        path = os.pathsep.join([str(Path(sys.executable).parent), base.get("PATH", os.defpath)])
        defaults = {
            "OMP_NUM_THREADS": str(threads),
            "MS_NODE_TIMEOUT": str(HEARTBEAT_SECONDS),
            "GLOG_v": "3",
            "PYTHONUNBUFFERED": "1",
        }
        # msrun starts the first "python" on the path.
        return {**defaults, **base, "PATH": path}

    def _binding(self) -> str:
        """Return the value of msrun's ``--bind_core``."""
        if not self.bind:
            return "False"
        if self.device == "Ascend":
            return "True"  # msrun reads from npu-smi which cores are near which card
        cores = available_cores()
        count = len(cores) // self.workers
        binding = {
            f"device{i}": [str(core) for core in cores[i * count : (i + 1) * count]]
            for i in range(self.workers)
        }
        return json.dumps(binding)


def available_cores() -> list[int]:
    """Return the cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return probe.getsockname()[1]
