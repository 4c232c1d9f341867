"""``train.log=[tensorboard]``: event files for TensorBoard."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from acmix.engine.logs.base import Log, register_log
from acmix.errors import UserError
from acmix.utils.files import translate_disk_errors
from acmix.utils.reading import unusable

# Of event files whose readers drop replaced steps when they meet a START.
_FILE_VERSION = "brain.Event:2"


@register_log("tensorboard")
class TensorBoardLog(Log):
    """Writes the numbers of every line as scalars into the folder ``tensorboard`` of the run.

    Their tags are the keys of the line, ``scalars/NAME`` for those inside of ``scalars``. Each
    process that goes on with the run begins another file. Its first event tells TensorBoard to drop
    what the files before hold of later steps.

    The records are written here and not by the writer that tensorboardX offers. That one has a
    thread and a queue: when the disk is full, the thread ends, and training waits for ever.
    """

    def __init__(self, run: Path) -> None:
        super().__init__(run)
        try:
            import tensorboardX
        except ImportError as error:
            raise UserError(
                f"train.log=[tensorboard] needs tensorboardX ({error}); install it by 'pip install "
                "tensorboardX', or leave tensorboard out of train.log."
            ) from error
        self._package = tensorboardX
        self._folder = run / "tensorboard"
        self._file: Any = None

    def begin(self, step: int) -> None:
        """Begin a file; events after ``step`` in earlier ones are void."""
        from tensorboardX.proto.event_pb2 import SessionLog

        self.close()
        # TensorBoard reads the files of a folder in the order of their names.
        name = f"events.out.tfevents.{time.time():010.0f}.{socket.gethostname()}.after_{step:08d}"
        with self._writing():
            self._folder.mkdir(parents=True, exist_ok=True)
            self._file = self._package.RecordWriter(str(self._folder / name))
        self._write(file_version=_FILE_VERSION)
        self._write(step=step + 1, session_log=SessionLog(status=SessionLog.START))

    def add(self, record: Mapping[str, Any]) -> None:
        """Write the numbers of a line."""
        from tensorboardX.proto.summary_pb2 import Summary

        values = [
            Summary.Value(tag=tag, simple_value=value)
            for tag, value in _scalars(record)
            if tag != "step"
        ]
        self._write(step=record["step"], summary=Summary(value=values))

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _write(self, **fields: Any) -> None:
        from tensorboardX.proto.event_pb2 import Event

        event = Event(wall_time=time.time(), **fields)
        with self._writing():
            self._file.write(event.SerializeToString())
            self._file.flush()

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Convert errors on writing to a UserError."""
        try:
            with translate_disk_errors(self._folder):
                yield
        except OSError as error:
            raise unusable(self._folder, error) from error


def _scalars(record: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, float]]:
    """Yield the numbers of a record with their names; what is not known (None) is left out."""
    for name, value in record.items():
        if isinstance(value, Mapping):
            yield from _scalars(value, f"{prefix}{name}/")
        elif isinstance(value, (int, float)):  # NumPy's, too
            yield prefix + name, float(value)
