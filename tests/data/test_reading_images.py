"""Image files are read with a bound, and a file that keeps one waiting is named."""

from __future__ import annotations

import logging
import os
import time

import pytest

from acmix.data import decode, files
from acmix.errors import UserError


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("missing", "No such file or directory"),
        ("folder", "is a folder, not a file"),
        ("pipe", "is no regular file but a pipe, socket or device"),
        ("zero", "is no regular file but a pipe, socket or device"),
        ("large", "has 9 bytes, more than 8"),
    ],
)
def test_what_cannot_be_read_is_one_reason_without_waiting(tmp_path, monkeypatch, name, reason):
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "zero").symlink_to("/dev/zero")
    (tmp_path / "large").write_bytes(bytes(9))
    monkeypatch.setattr(files, "MAX_FILE_BYTES", 8)
    path = str(tmp_path / name)
    with pytest.raises(OSError, match=f"^{reason}$"):
        files.read_image_file(path)
    with pytest.raises(UserError, match=f"^cannot read image {path}: {reason}.$"):
        decode.read_image(path, 3)


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(files, "PATIENCE", 0.02)
    monkeypatch.setattr(files, "_watch", files._Watch())


def test_a_read_that_does_not_end_is_named_once(impatient, caplog):
    with caplog.at_level(logging.WARNING), files.announced("/nfs/cat.jpg"):
        time.sleep(0.2)
    (record,) = caplog.records
    assert record.getMessage().startswith("/nfs/cat.jpg is still being read after 0 s: its disk")


def test_reads_that_end_are_not_named(impatient, caplog):
    for _ in range(20):
        with files.announced("quick"):
            pass
    time.sleep(0.05)
    assert not caplog.records
