"""Base class and registry of the logs that ``train.log`` names."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from acmix.utils.registry import Registry


class Log(ABC):
    """A log of a run beside ``metrics.jsonl``; only the first device has one.

    Args:
        run: folder of the run; it may not exist before :meth:`begin`.

    Raises:
        UserError: a package is missing.
    """

    def __init__(self, run: Path) -> None:
        self.run = run

    @abstractmethod
    def begin(self, step: int) -> None:
        """Begin, or go on, after ``step``; what an earlier process wrote of later ones is void.

        Raises:
            UserError: the log cannot be written to.
        """

    @abstractmethod
    def add(self, record: Mapping[str, Any]) -> None:
        """Write a line of ``metrics.jsonl``, see :class:`acmix.engine.trainer.Trainer`.

        It is safe when this returns: nobody may be left to end the log.

        Raises:
            UserError: the disk is full.
        """

    @abstractmethod
    def close(self) -> None:
        """End the log; without :meth:`begin`, nothing happens."""


LOGS: Registry[type[Log]] = Registry("train.log")
"""Classes of logs by their names in ``train.log``."""

register_log = LOGS.register


def open_logs(names: Iterable[str], run: str | Path) -> tuple[Log, ...]:
    """Return the logs of the run in the folder ``run``, which they do not touch yet.

    Raises:
        UserError: a name is unknown, or the package that a log needs is missing.
    """
    return tuple(LOGS[name](Path(run)) for name in dict.fromkeys(names))
