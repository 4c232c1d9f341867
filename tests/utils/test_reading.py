"""Readers of users' files: whatever happens is one line that names the file."""

from __future__ import annotations

import os

import pytest

from acmix.errors import UserError
from acmix.utils.reading import check_regular, read_bytes, reading


def test_a_file_is_read_up_to_its_limit(tmp_path):
    (tmp_path / "a").write_bytes(b"12345")
    assert read_bytes(tmp_path / "a", 5) == b"12345"
    with pytest.raises(UserError, match="a has 5 bytes, more than 4"):
        read_bytes(tmp_path / "a", 4)


def test_what_is_no_regular_file_is_refused_without_waiting(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", "/dev/zero"):
        with pytest.raises(UserError, match="is no regular file but a pipe, socket or device"):
            read_bytes(path, 100)
    for read in (check_regular, lambda path: read_bytes(path, 100)):
        with pytest.raises(UserError, match="No such file or directory"):
            read(tmp_path / "missing")
    with pytest.raises(UserError, match="is a folder, not a file"):
        check_regular(tmp_path)
    with pytest.raises(UserError, match="null"):
        check_regular("a\0b")


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (PermissionError(13, "Permission denied"), "net.ckpt: Permission denied"),
        (MemoryError(), "net.ckpt cannot be read: it needs more memory than there is"),
        (RecursionError(), "net.ckpt cannot be read: it is nested too deeply"),
        (UserError("net.ckpt is damaged."), r"^net.ckpt is damaged\.$"),
        (KeyError("x"), r"cannot be read \(KeyError: 'x'\).*please report it with .*\.log"),
    ],
)
def test_whatever_a_reader_raises_names_the_file(error, message, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.raises(UserError, match=message), reading("net.ckpt"):
        raise error


def test_an_unknown_case_leaves_its_traceback_in_a_file(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.raises(UserError), reading("net.ckpt"):
        raise ZeroDivisionError("of a foreign reader")
    (report,) = tmp_path.glob("acmix-report-*.log")
    assert "ZeroDivisionError: of a foreign reader" in report.read_text()
