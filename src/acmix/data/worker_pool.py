"""`WorkerPool`: processes that make the batches of a data set, in order, epoch after epoch."""

from __future__ import annotations

import json
import os
import pickle
import signal
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from multiprocessing.reduction import recv_handle
from pathlib import Path
from typing import Any

import numpy as np

import acmix
from acmix.data.shared_batches import Layout, ReadSlots
from acmix.data.worker_process import BATCH, DIED, READY, UNUSABLE, USER_ERROR
from acmix.errors import UserError

Batch = tuple[np.ndarray, ...]

AHEAD = 2
"""Batches that a worker makes or has made beyond what is used."""

_END_SECONDS = 5.0
# Modules of this process are found, but shadow none of Python's: its folders come last. MindSpore
# adds folders of its own to the path, one of which has a math.py.
_PROGRAM = """
import sys
sys.path.pop(0)
import json
package, *others = json.loads(sys.argv[1])["paths"]
sys.path[:] = [package, *sys.path, *(path for path in others if path not in sys.path)]
from acmix.data.worker_process import main
main()
"""
# Memory that is given back to the system costs as much again as decoding a small image does. The
# bounds: what malloc keeps at the end of its heap, what it maps apart, Pillow's blocks of 16 MiB.
_KEPT_MEMORY = {
    "MALLOC_TRIM_THRESHOLD_": str(2**27),
    "MALLOC_MMAP_THRESHOLD_": str(2**25),
    "PILLOW_BLOCKS_MAX": "4",
}
# One thread each: the workers are the parallel part, and a fork keeps no threads.
_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


class CannotSend(Exception):
    """The data set cannot be a pickle; the message is the reason."""


class WorkerPool:
    """Starts worker processes for a data set and collects their batches.

    They end with :meth:`close`, and with this process, however that ends. To be used by one thread.

    Args:
        dataset: has ``batch_maker(k)``, which returns a function from the samples of a batch
            and its number to its arrays.
        workers: number of processes.

    Raises:
        CannotSend: the data set holds what cannot be a pickle, such as a lambda.
    """

    def __init__(self, dataset: Any, workers: int) -> None:
        self._owner = os.getpid()
        self._done: dict[int, Batch | Exception] = {}
        self._forgotten: set[int] = set()
        self._next_ticket = 0
        self._closed = False
        self._pids: list[int] = []
        stored = _pickled(dataset)
        pairs = [socket.socketpair() for _ in range(workers + 1)]
        try:
            theirs = [their.fileno() for _, their in pairs]
            self._process = _start(stored, theirs)
        finally:
            os.close(stored)
            for _, their in pairs:
                their.close()
        control, *connections = (Connection(our.detach()) for our, _ in pairs)
        self._control = control
        self._workers = [_Worker(index, each) for index, each in enumerate(connections)]

    def batches(self, k: int, indices: np.ndarray, first: int) -> Iterator[Batch]:
        """Yield the batches of epoch ``k`` whose samples are the rows of ``indices``.

        Args:
            k: epoch.
            indices: (batches, B).
            first: number of the first batch.

        Raises:
            UserError: raised by a worker for its images, or a worker has ended.
        """
        tickets: deque[int] = deque()
        rows = enumerate(indices, start=first)
        try:
            for _ in range(len(indices)):
                while len(tickets) < AHEAD * len(self._workers):
                    row = next(rows, None)
                    if row is None:
                        break
                    tickets.append(self._ask(k, row[1], row[0]))
                batch = self._wait_for(tickets.popleft())
                yield batch
                del batch  # its memory can be used again as soon as the caller lets it go
        finally:
            self._forget(tickets)

    def processes(self) -> list[int]:
        """Return the process numbers of the workers, once they have started."""
        while not self._pids:
            self._collect([self._control])
        return self._pids

    def close(self) -> None:
        """End the processes."""
        if self._closed or self._owner != os.getpid():
            return
        self._closed = True
        for worker in self._workers:
            worker.connection.close()
        self._control.close()
        try:
            self._process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _ask(self, k: int, row: np.ndarray, number: int) -> int:
        """Let the worker with the least work make a batch; return its ticket."""
        self._check_open()
        ticket = self._next_ticket
        self._next_ticket += 1
        worker = min(self._workers, key=lambda each: each.pending)
        worker.pending += 1
        try:
            worker.connection.send((ticket, k, row, number, worker.slots.take_unused()))
        except (BrokenPipeError, ConnectionResetError):
            self._fail()
        return ticket

    def _wait_for(self, ticket: int) -> Batch:
        while ticket not in self._done:
            self._check_open()
            self._collect([self._control, *(each.connection for each in self._workers)])
        result = self._done.pop(ticket)
        if isinstance(result, Exception):
            raise result
        return result

    def _forget(self, tickets: deque[int]) -> None:
        """Drop batches that nobody wants any more, made or not."""
        for ticket in tickets:
            if self._done.pop(ticket, None) is None:
                self._forgotten.add(ticket)

    def _collect(self, connections: list[Connection]) -> None:
        """Take what is ready, and wait if nothing is."""
        ready = wait(connections)
        try:
            for worker in self._workers:
                if worker.connection in ready:
                    ticket, result = worker.receive()
                    if ticket in self._forgotten:
                        self._forgotten.remove(ticket)
                    else:
                        self._done[ticket] = result
                    del result
            if self._control in ready:
                self._hear()
        except (EOFError, ConnectionResetError):
            self._fail()

    def _hear(self) -> None:
        """Take a message of the process that starts the workers."""
        kind, *content = self._control.recv()
        if kind == READY:
            (self._pids,) = content
        elif kind == UNUSABLE:
            self.close()
            raise UserError(
                "the data set cannot be used in worker processes; set data.workers_are=threads. "
                f"The reason:\n{content[0]}"
            )
        elif kind == DIED:
            index, pid, code = content
            self.close()
            raise UserError(_obituary(f"{index + 1} of {len(self._workers)} (process {pid})", code))

    def _fail(self) -> None:
        """Raise what became of the processes, of which one has closed its connection."""
        with suppress(EOFError, OSError):
            while self._control.poll(_END_SECONDS):
                self._hear()
        self.close()
        who = "processes, or the one that starts them,"
        raise UserError(_obituary(who, self._process.returncode))

    def _check_open(self) -> None:
        if self._closed:
            raise UserError("the worker processes of this data set have ended; start again.")


class _Worker:
    """What is known here of one worker."""

    def __init__(self, index: int, connection: Connection) -> None:
        self.index = index
        self.connection = connection
        self.slots = ReadSlots()
        self.pending = 0

    def receive(self) -> tuple[int, Batch | Exception]:
        """Return the next ticket with its batch, or with what making it raised."""
        ticket, kind, content = self.connection.recv()
        self.pending -= 1
        if kind == USER_ERROR:
            return ticket, UserError(content)
        if kind != BATCH:
            return ticket, RuntimeError(f"a worker process failed:\n{content}")
        slot, layout, is_new = content
        if is_new:
            self.slots.add(slot, recv_handle(self.connection))
        return ticket, self._read(slot, layout)

    def _read(self, slot: int, layout: Layout) -> Batch:
        return self.slots.read(slot, layout)


def _pickled(dataset: Any) -> int:
    """Return the descriptor of memory that holds the data set as a message."""
    descriptor = os.memfd_create("acmix-dataset")
    try:
        with Connection(os.dup(descriptor)) as stored:
            stored.send(dataset)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        os.close(descriptor)
        raise CannotSend(str(error)) from error
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


def _start(dataset: int, sockets: list[int]) -> subprocess.Popen[bytes]:
    """Start the process that starts the workers.

    A new program instead of a fork: MindSpore's threads do not survive one, and may hold locks.
    """
    package = str(Path(acmix.__file__).parent.parent)
    settings = {
        "dataset": dataset, "control": sockets[0], "sockets": sockets[1:], "parent": os.getpid(),
        "paths": [package, *sys.path],
    }  # fmt: skip
    return subprocess.Popen(
        [sys.executable, "-c", _PROGRAM, json.dumps(settings)],
        stdin=subprocess.DEVNULL,
        pass_fds=[dataset, *sockets],
        env=os.environ
        | dict.fromkeys(_ONE_THREAD, "1")
        | {name: os.environ.get(name, value) for name, value in _KEPT_MEMORY.items()},
    )


def _obituary(who: str, code: int | None) -> str:
    """Return what is said of a process that ended."""
    if code is None or code >= 0:
        how = f"ended with exit code {code}"
        why = "Its last words are above."
    else:
        name = signal.Signals(-code).name if -code in signal.valid_signals() else f"{-code}"
        how = f"was ended by {name}"
        why = (
            "The system does that where memory is short: lower data.num_workers, data.batch_size "
            "or data.max_image_pixels."
            if -code == signal.SIGKILL
            else "Start again with data.workers_are=threads if it happens again."
        )
    return f"worker {who} that reads images {how}. {why} A run goes on from its last checkpoint."
