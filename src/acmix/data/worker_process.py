"""The processes that make batches: started by `WorkerPool`.

One process without threads and without MindSpore imports what reading needs and receives the data
set; then it forks itself, once for each worker. Hence the workers start at once, and share the
names of a million files. It ends them when the process that uses the batches is gone.
"""

from __future__ import annotations

import ctypes
import gc
import json
import os
import signal
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from multiprocessing.connection import Connection, wait
from multiprocessing.reduction import send_handle
from typing import TYPE_CHECKING, Any

from acmix.data import decode
from acmix.data.shared_batches import WrittenSlots
from acmix.errors import UserError

if TYPE_CHECKING:
    from acmix.data.file_lock import FileLock

READY, DIED, UNUSABLE = "ready", "died", "unusable"
"""Messages of the process that starts workers."""
BATCH, USER_ERROR, BUG = "batch", "user error", "bug"
"""Messages of a worker."""

_CHECK_SECONDS = 1.0
_PR_SET_PDEATHSIG = 1
_NO_MEMORY = (
    "a worker that reads images has not got the memory that it needs: lower data.num_workers, "
    "data.batch_size or data.max_image_pixels."
)


def main() -> None:
    """Receive the data set, fork the workers, tell which of them died."""
    settings = json.loads(sys.argv[1])
    # Training decides what a signal means, and ends these processes by closing its connections.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    control = Connection(settings["control"])
    try:
        with Connection(settings["dataset"]) as stored:
            dataset = stored.recv()
    except Exception:  # whatever importing and making the objects of others raises
        _tell(control, (UNUSABLE, traceback.format_exc()))
        return
    from acmix.data.file_lock import FileLock  # has modules that Windows lacks

    lock = FileLock()
    gc.collect()
    gc.freeze()  # collecting would write to, and so copy, the memory that the workers share
    starter = os.getpid()
    awake = _awake_by_children()
    sockets = settings["sockets"]
    workers = {}
    for index, socket in enumerate(sockets):
        others = [other for other in sockets[index:] if other != socket]
        connection = Connection(socket)
        work = partial(_work, starter, connection, dataset, lock)
        pid = _fork(work, [*others, control.fileno(), awake])
        workers[pid] = index
        connection.close()
    _tell(control, (READY, list(workers)))
    try:
        _watch(control, awake, workers, settings["parent"])
    finally:
        for pid in workers:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for pid in workers:
            os.waitpid(pid, 0)


def _fork(run: Callable[[], None], closed: list[int]) -> int:
    """Run a function in a new process, in which some descriptors are closed."""
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for descriptor in closed:
            os.close(descriptor)
        run()
        status = 0
    except BaseException:  # nothing may return into the code before the fork
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(status)


def _awake_by_children() -> int:
    """Return a descriptor that can be read when a child ends."""
    awake, alarm = os.pipe()
    os.set_blocking(awake, False)
    os.set_blocking(alarm, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(alarm, warn_on_full_buffer=False)
    return awake


def _watch(control: Connection, awake: int, workers: dict[int, int], parent: int) -> None:
    """Tell of workers that end; return when the parent has ended, or wants to."""
    while True:
        ready = wait([control, awake], _CHECK_SECONDS)
        if control in ready or os.getppid() != parent:
            return
        if awake in ready:
            with suppress(BlockingIOError):
                os.read(awake, 4096)
        for pid in list(workers):
            found, status = os.waitpid(pid, os.WNOHANG)
            if found:
                _tell(control, (DIED, workers.pop(pid), pid, os.waitstatus_to_exitcode(status)))


def _tell(control: Connection, message: tuple[Any, ...]) -> None:
    with suppress(BrokenPipeError, ConnectionResetError):
        control.send(message)


def _work(starter: int, connection: Connection, dataset: Any, lock: FileLock) -> None:
    """Make the batches that are asked for until the connection is closed."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != starter:  # it ended before the call
        return
    decode.decode_large_under(lock)
    _one_thread_of_opencv()
    slots = WrittenSlots()
    epoch, make = None, None
    with suppress(EOFError, BrokenPipeError, ConnectionResetError):
        while True:
            ticket, k, row, number, unused = connection.recv()
            slots.release(unused)
            try:
                if make is None or epoch != k:
                    epoch, make = k, dataset.batch_maker(k)
                slot, layout, descriptor = slots.write(make(row, number))
            except UserError as error:
                connection.send((ticket, USER_ERROR, str(error)))
            except MemoryError:
                connection.send((ticket, USER_ERROR, _NO_MEMORY))
            except Exception:
                connection.send((ticket, BUG, traceback.format_exc()))
            else:
                connection.send((ticket, BATCH, (slot, layout, descriptor is not None)))
                if descriptor is not None:
                    send_handle(connection, descriptor, 0)
                    os.close(descriptor)


def _one_thread_of_opencv() -> None:
    # The workers are the threads. Only where a data set has imported it already.
    if "cv2" in sys.modules:
        sys.modules["cv2"].setNumThreads(1)
