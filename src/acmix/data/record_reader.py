"""Read the images of a MindRecord file by our own means.

MindSpore's reader trusts the file: places and sizes in a damaged one may end the process.
The format: a header in JSON, then pages. The index beside it is an SQLite table of names and of the
bytes of each record in its page, which are a length of 8 bytes and the image.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from acmix.errors import UserError, check
from acmix.utils.reading import check_regular, unusable
from acmix.utils.text import shorten

MAX_HEADER_BYTES = 2**24
"""Largest header; MindRecord's own bound."""

MAX_RECORD_BYTES = 2**26
"""Largest record: the largest page of MindRecord."""

MAX_ROWS = 2**26
"""Most records of a file: 50 times those of ImageNet."""

_MAX_STEPS = 2**17
"""Most thousands of SQLite's steps in reading the index, which may hold a view without an end."""

_LENGTH_BYTES = 8
_TABLES = ("INDEXES", "SHARD_NAME")
_QUERY = (
    "SELECT ROW_ID, PAGE_ID_BLOB, PAGE_OFFSET_BLOB, PAGE_OFFSET_BLOB_END, name_0 FROM INDEXES "
    "ORDER BY ROW_ID"
)


class RecordReader:
    """Function from the index of a record to its image; thread-safe.

    Args:
        file: MindRecord file; ``FILE.db`` is its index.
        names: expected names of all records.

    Raises:
        UserError: a file is missing or damaged, or has another number of records.
    """

    def __init__(self, file: Path, names: Sequence[str]):
        self._file = file
        self._open()
        header_size, page_size = self._header()
        size = os.fstat(self._descriptor).st_size
        self._other: dict[int, str] = {}
        self._places = np.zeros((len(names), 2), np.int64)
        count = 0
        for row in _index(Path(f"{file}.db")):
            match row:
                case (int(row_id), int(page), int(begin), int(end), str(name)) if row_id == count:
                    start = header_size + page * page_size + begin + _LENGTH_BYTES
                    length = end - begin - _LENGTH_BYTES
                case _:
                    raise UserError(f"{file}.db is damaged: record {count} has no place.")
            check(
                0 <= page < MAX_ROWS
                and 0 <= begin < end <= page_size
                and 0 < length <= MAX_RECORD_BYTES
                and start + length <= size,
                f"{file} is damaged: record {count} is not in the file.",
            )
            if count < len(names):
                self._places[count] = start, length
                if name != names[count]:
                    self._other[count] = shorten(name)
            count += 1
        check(
            count == len(names),
            f"{file} has {count} images, but {len(names)} are listed beside it.",
        )

    def __call__(self, index: int) -> bytes:
        """Return the content of the image file that was stored.

        Raises:
            OSError: the record cannot be read, or has another name.
        """
        if index in self._other:
            raise OSError(
                f"record {index} is {self._other[index]}; the list beside it is another's"
            )
        start, length = map(int, self._places[index])
        content = os.pread(self._descriptor, length + _LENGTH_BYTES, start - _LENGTH_BYTES)
        stored = int.from_bytes(content[:_LENGTH_BYTES], "little")
        if len(content) != length + _LENGTH_BYTES or stored != length:
            raise OSError(f"record {index} is damaged: its length is {stored}, not {length}")
        return content[_LENGTH_BYTES:]

    def __getstate__(self) -> dict[str, object]:
        """Leave out the descriptor, which another process does not have."""
        return {name: value for name, value in vars(self).items() if name != "_descriptor"}

    def __setstate__(self, state: dict[str, object]) -> None:
        """Open the file anew."""
        vars(self).update(state)
        self._open()

    def __del__(self) -> None:
        """Close the file."""
        if hasattr(self, "_descriptor"):
            os.close(self._descriptor)

    def _open(self) -> None:
        check_regular(self._file)
        try:
            self._descriptor = os.open(self._file, os.O_RDONLY)
        except OSError as error:
            raise unusable(self._file, error) from error

    def _header(self) -> tuple[int, int]:
        """Return the sizes of the header and of a page."""
        size = int.from_bytes(os.pread(self._descriptor, _LENGTH_BYTES, 0), "little")
        check(size <= MAX_HEADER_BYTES, f"{self._file} is damaged or not a MindRecord file.")
        try:
            content = json.loads(os.pread(self._descriptor, size, _LENGTH_BYTES))
            header_size, page_size = content["header_size"], content["page_size"]
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise UserError(f"{self._file} is damaged: its header cannot be read.") from error
        check(
            all(type(value) is int and 0 < value <= 2**30 for value in (header_size, page_size)),
            f"{self._file} is damaged: its header has no sizes.",
        )
        return header_size, page_size


def _index(file: Path) -> Iterator[tuple[object, ...]]:
    """Yield page, first byte, last byte and name of each record."""
    check_regular(file)
    steps = 0

    def stop() -> bool:
        nonlocal steps
        steps += 1
        return steps > _MAX_STEPS

    try:
        connection = sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro&immutable=1", uri=True)
        try:
            connection.set_progress_handler(stop, 1000)
            kinds = dict(connection.execute("SELECT name, type FROM sqlite_master"))
            check(
                all(kinds.get(table) == "table" for table in _TABLES),
                f"{file} is damaged: it has not the tables of MindRecord.",
            )
            shards = connection.execute("SELECT NAME FROM SHARD_NAME").fetchmany(2)
            check(
                shards == [(file.name.removesuffix(".db"),)],
                f"{file} is the index of another file.",
            )
            for count, row in enumerate(connection.execute(_QUERY)):
                check(count < MAX_ROWS, f"{file} lists more than {MAX_ROWS} records.")
                yield row
        finally:
            connection.close()
    except (sqlite3.Error, UnicodeError, OverflowError) as error:
        raise UserError(f"{file} is damaged: {shorten(str(error), 120)}.") from error
