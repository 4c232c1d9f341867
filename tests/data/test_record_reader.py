"""MindRecord files are read by our own reader: any damage is an error, never a crash."""

import json
import os
import sqlite3

import pytest
from image_files import folder_config, make_folder

from acmix.data import prepare_mindrecord, record_reader
from acmix.data.mindrecord import MindRecordImages
from acmix.errors import UserError

NAMES = [f"train/ant/{i}.png" for i in range(3)]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    root = tmp_path_factory.mktemp("records")
    folder = make_folder(root / "images", {"ant": 3}, splits=("train",))
    prepare_mindrecord(folder_config(folder), root / "prepared")
    return root / "prepared"


@pytest.fixture
def file(prepared, tmp_path):
    """A copy of which the index can be changed; the records are linked."""
    os.link(prepared / "train.mindrecord", tmp_path / "train.mindrecord")
    (tmp_path / "train.mindrecord.db").write_bytes((prepared / "train.mindrecord.db").read_bytes())
    return tmp_path / "train.mindrecord"


def execute(file, *commands):
    with sqlite3.connect(f"{file}.db") as connection:
        for command in commands:
            connection.execute(command)
    connection.close()


ENDLESS = (
    "CREATE VIEW INDEXES AS WITH RECURSIVE c(PAGE_ID_BLOB, PAGE_OFFSET_BLOB, PAGE_OFFSET_BLOB_END, "
    "name_0, ROW_ID) AS (SELECT 0, 0, 20, '', 0 UNION ALL SELECT 0, 0, 20, '', ROW_ID + 1 FROM c) "
    "SELECT * FROM c"
)
CHANGES = {
    "behind the file": ["UPDATE INDEXES SET PAGE_ID_BLOB = 9"],
    "a huge page": ["UPDATE INDEXES SET PAGE_ID_BLOB = 9223372036854775807"],
    "before the page": ["UPDATE INDEXES SET PAGE_OFFSET_BLOB = -100"],
    "end before begin": ["UPDATE INDEXES SET PAGE_OFFSET_BLOB_END = PAGE_OFFSET_BLOB"],
    "end behind the page": ["UPDATE INDEXES SET PAGE_OFFSET_BLOB_END = 1 << 40"],
    "a place that is text": ["UPDATE INDEXES SET PAGE_OFFSET_BLOB = 'x'"],
    "a name that is none": ["UPDATE INDEXES SET name_0 = NULL"],
    "another length": ["UPDATE INDEXES SET PAGE_OFFSET_BLOB_END = PAGE_OFFSET_BLOB_END - 1"],
    "a row less": ["DELETE FROM INDEXES WHERE ROW_ID = 1"],
    "no table": ["DROP TABLE INDEXES"],
    "no column": ["ALTER TABLE INDEXES RENAME COLUMN name_0 TO other"],
    "a view without an end": ["DROP TABLE INDEXES", ENDLESS],
}


def test_the_undamaged_one_is_read(file):
    images = MindRecordImages(file, NAMES)
    assert all(images(i).startswith(b"\x89PNG") for i in range(3))


@pytest.mark.parametrize("change", CHANGES)
def test_a_damaged_index_is_one_line_with_the_remedy(file, change, monkeypatch):
    monkeypatch.setattr(record_reader, "_MAX_STEPS", 1000)
    execute(file, *CHANGES[change])
    with pytest.raises(UserError, match=r"train\.mindrecord.*acmix prepare --mindrecord"):
        MindRecordImages(file, NAMES)


@pytest.mark.parametrize(
    "header", [b"{", b"[]", b"{}", json.dumps({"header_size": -1, "page_size": 1}).encode(), None]
)
def test_a_damaged_header_is_one_line_with_the_remedy(file, header):
    content = bytearray(file.read_bytes()[:1000])
    content[:8] = (2**62 if header is None else len(header)).to_bytes(8, "little")
    content[8 : 8 + len(header or b"")] = header or b""
    file.unlink()
    file.write_bytes(content)
    with pytest.raises(UserError, match=r"train\.mindrecord is damaged.*--mindrecord"):
        MindRecordImages(file, NAMES)


def test_a_record_that_was_overwritten_is_an_error_when_it_is_read(file):
    content = bytearray(file.read_bytes())
    images = MindRecordImages(file, NAMES)
    start = int(images._read._places[1][0])
    content[start - 8 : start] = (2**50).to_bytes(8, "little")
    file.unlink()
    file.write_bytes(content)
    with pytest.raises(OSError, match=f"record 1 is damaged: its length is {2**50}"):
        MindRecordImages(file, NAMES)(1)
