"""A lock that processes share which were forked from one."""

from __future__ import annotations

import fcntl
import os


class FileLock:
    """Excludes other processes that have the same lock, not other threads of this one.

    The system gives it back when a process ends, however that happens. It has no name.
    """

    def __init__(self) -> None:
        self._descriptor = os.memfd_create("acmix-lock")

    def __enter__(self) -> None:
        """Wait until no other process holds it."""
        fcntl.lockf(self._descriptor, fcntl.LOCK_EX)

    def __exit__(self, *_: object) -> None:
        """Give it back."""
        fcntl.lockf(self._descriptor, fcntl.LOCK_UN)
