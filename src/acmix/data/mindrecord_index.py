"""Check the index of a MindRecord file before MindSpore reads it."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

import numpy as np

_COLUMNS = (
    "ROW_ID", "PAGE_ID_RAW", "PAGE_OFFSET_RAW", "PAGE_OFFSET_RAW_END", "ROW_GROUP_ID",
    "PAGE_ID_BLOB", "PAGE_OFFSET_BLOB", "PAGE_OFFSET_BLOB_END",
)  # fmt: skip
_TABLES = ("INDEXES", "SHARD_NAME")
_ROWS = 2**16  # that are held at once


def index_fault(file: Path, count: int, page_bytes: int) -> str | None:
    """Return what is wrong with the index of a MindRecord file; None if it is sound.

    MindSpore takes row numbers from the index (an SQLite file) unchecked: one that is out of range
    ends the process.

    Args:
        file: the MindRecord file; its index has ``.db`` appended.
        count: expected number of records.
        page_bytes: largest page.
    """
    try:
        path = os.fsencode(Path(f"{file}.db").resolve())
        address = f"file:{quote(path)}?mode=ro"
        with closing(sqlite3.connect(address, uri=True)) as index:
            return _fault(index, file.name, count, page_bytes)
    except sqlite3.Error as error:
        return f"its index cannot be read: {error}"


def _fault(index: sqlite3.Connection, name: str, count: int, page_bytes: int) -> str | None:
    kinds = dict(index.execute("SELECT name, type FROM sqlite_master"))
    if any(kinds.get(table) != "table" for table in _TABLES):  # a view could compute for ever
        return "its index has not MindRecord's tables"
    if index.execute("SELECT NAME FROM SHARD_NAME").fetchmany(2) != [(name,)]:
        return "its index is that of another file"
    rows = index.execute(f"SELECT {', '.join(_COLUMNS)} FROM INDEXES ORDER BY ROW_ID")
    seen = 0
    while chunk := rows.fetchmany(_ROWS):
        if not all(type(value) is int for row in chunk for value in row):
            return "its index holds values that are no whole numbers"
        values = np.array(chunk, object)
        if (values[:, 0] != np.arange(seen, seen + len(chunk))).any():
            return "its index does not number the images from 0 on"
        if (values[:, 1:] < 0).any():
            return "its index holds a negative position"
        if (values[:, 2] > values[:, 3]).any() or (values[:, 6] > values[:, 7]).any():
            return "its index holds a record that ends before it starts"
        if (values[:, [3, 7]] > page_bytes).any():
            return "its index holds a position beyond the end of a page"
        seen += len(chunk)
    return None if seen == count else f"it has {seen} images, but {count} are listed beside it"
