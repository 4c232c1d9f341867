"""Lock of a run folder: one process writes, also where the folder is on a network file system.

The lock is a file with the name of its holder. Linking it into place is atomic everywhere, NFS
included, where ``flock`` may do nothing. The holder renews the file's time; nobody needs to trust
two machines' clocks, since a file that a waiting process writes has its time from the same server.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import socket
import threading
import time
import uuid
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType

import psutil

from acmix.errors import UserError
from acmix.utils.reading import unusable
from acmix.utils.text import printable, shorten

logger = logging.getLogger(__name__)

LOCK = ".lock"
RENEWAL_SECONDS = 10.0
STALE_SECONDS = 60.0
"""A lock of another machine that was not renewed for so long has no holder any more."""
_CLAIM_SECONDS = 0.02


@dataclass(frozen=True)
class Holder:
    """The process that writes into a run folder."""

    host: str
    pid: int
    started: float
    """Seconds since 1970, of the process, not of the lock: a number of a process returns."""
    machine: str
    """Identity of what numbers the processes: the boot of the machine and its PID namespace."""
    token: str
    """Unique, so that a process recognises its own lock."""

    @classmethod
    def this_process(cls) -> Holder:
        """Describe the calling process."""
        process = psutil.Process()
        started = round(process.create_time(), 2)
        return cls(socket.gethostname(), process.pid, started, _machine(), uuid.uuid4().hex)

    def is_local(self) -> bool:
        """Whether ``pid`` is a number of this machine, so that :meth:`is_running` can tell."""
        return bool(self.machine) and self.machine == _machine()

    def is_running(self) -> bool:
        """Whether the process still runs; for holders of this machine."""
        try:
            process = psutil.Process(self.pid)
            alive = process.status() != psutil.STATUS_ZOMBIE
            return alive and abs(process.create_time() - self.started) < 1
        except psutil.Error:
            return False

    def __str__(self) -> str:
        since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(self.started))
        return f"process {self.pid} on {printable(self.host)}, which runs since {since}"


class RunLock:
    """Lock of one folder, for a ``with`` statement; makes the folder if it is missing.

    A lock whose process has ended is taken over with a notice. Whether a process of this machine
    runs is looked up; one of another machine counts as ended when its lock was not renewed for
    :data:`STALE_SECONDS`, which entering waits for.

    Args:
        folder: the run folder.

    Raises:
        UserError: another process holds the lock (its host, number and start are named), or the
            folder cannot be made or written to.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self.file = folder / LOCK
        self._holder = Holder.this_process()
        self._released = threading.Event()
        self._made: list[Path] = []

    def __enter__(self) -> RunLock:
        try:
            self._make_folder()
            while not self._take(self.file):
                self._remove_stale()
        except OSError as error:
            raise unusable(f"output={self.folder}", error) from error
        threading.Thread(target=self._renew, name="run-lock", daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._released.set()
        if self._read() == self._holder:  # nobody has taken over, nor moved the folder away
            self.file.unlink(missing_ok=True)
        for folder in reversed(self._made):  # nothing stays of a run that could not begin
            try:
                folder.rmdir()
            except OSError:
                break

    def _make_folder(self) -> None:
        missing = []
        folder = self.folder
        while not folder.exists():
            missing.append(folder)
            folder = folder.parent
        self.folder.mkdir(parents=True, exist_ok=True)
        self._made = missing[::-1]

    def _take(self, file: Path) -> bool:
        """Make a file of this process; whether there was none."""
        own = self._write_own()
        try:
            os.link(own, file)
        except FileExistsError:
            return False
        except OSError:  # a file system without hard links
            return self._create(file)
        finally:
            own.unlink(missing_ok=True)
        return True

    def _create(self, file: Path) -> bool:
        try:
            with open(file, "x", encoding="utf-8") as opened:
                opened.write(json.dumps(asdict(self._holder)))
        except FileExistsError:
            return False
        return True

    def _write_own(self) -> Path:
        own = self.folder / f"{LOCK}-{self._holder.token}"
        own.write_text(json.dumps(asdict(self._holder)), encoding="utf-8")
        return own

    def _remove_stale(self) -> None:
        """Remove the lock of a process that has ended; raise UserError if it runs."""
        holder = self._read()
        if holder is not None and holder.is_local():
            if holder.is_running():
                raise self._refusal(holder)
        elif self._is_renewed(holder):
            raise self._refusal(holder)
        # Without a claim on this very lock, a slower process would remove that of its successor.
        name = hashlib.sha256((holder.token if holder else "").encode()).hexdigest()[:32]
        claim = self.folder / f"{LOCK}-stale-{name}"
        if not self._take(claim):
            self._wait_for(claim)
            return
        try:
            if _parse(self.file.read_bytes()) == holder:
                self.file.unlink()
                if holder is not None:
                    logger.warning(
                        "%s: took over the lock of %s; it has ended.", self.folder, holder
                    )
        except FileNotFoundError:
            pass
        finally:
            claim.unlink(missing_ok=True)

    def _wait_for(self, claim: Path) -> None:
        """Give another process the time to remove a lock; remove the claim of a killed one."""
        with suppress(FileNotFoundError):
            if self._server_time() - claim.stat().st_mtime > STALE_SECONDS:
                claim.unlink()
        time.sleep(_CLAIM_SECONDS)

    def _is_renewed(self, holder: Holder | None) -> bool:
        """Wait until the lock is renewed or stale; whether it is renewed."""
        logger.info("%s is locked by %s; waiting to see whether it runs.", self.folder, holder)
        before, start = self._time_of_lock(), time.monotonic()
        while time.monotonic() - start < STALE_SECONDS:
            if before is None or self._server_time() - before >= STALE_SECONDS:
                return False
            time.sleep(min(1.0, RENEWAL_SECONDS / 4))
            now = self._time_of_lock()
            if now is not None and now != before:
                return True
            before = now
        return False

    def _time_of_lock(self) -> float | None:
        try:
            return self.file.stat().st_mtime
        except FileNotFoundError:
            return None

    def _server_time(self) -> float:
        own = self._write_own()
        try:
            return own.stat().st_mtime
        finally:
            own.unlink(missing_ok=True)

    def _refusal(self, holder: Holder | None) -> UserError:
        return UserError(
            f"output={self.folder} is in use by {holder or 'another process'}. Wait for its end or "
            f"stop it, or choose another folder with output=PATH."
        )

    def _read(self) -> Holder | None:
        return _read_holder(self.file)

    def _renew(self) -> None:
        while not self._released.wait(RENEWAL_SECONDS):
            try:
                os.utime(self.file)
            except OSError:  # the folder was moved or the network is away; training tells
                continue


def _read_holder(file: Path) -> Holder | None:
    """Return the holder in a lock file, None if it is missing or was not written by us."""
    try:
        return _parse(file.read_bytes())
    except OSError:
        return None


def _parse(content: bytes) -> Holder | None:
    try:
        holder = Holder(**json.loads(content[:4096]))
    except (ValueError, TypeError, RecursionError):
        return None
    numbers = isinstance(holder.pid, int) and isinstance(holder.started, (int, float))
    texts = all(isinstance(text, str) for text in (holder.host, holder.machine, holder.token))
    if not (numbers and texts and 0 < holder.pid < 2**31 and 0 < holder.started < 2**40):
        return None
    return Holder(shorten(holder.host), holder.pid, holder.started, holder.machine, holder.token)


def _machine() -> str:
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return ""
