"""Files appear whole or not at all."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from acmix.errors import UserError
from acmix.utils.files import publish, staging_folder, write_text


def test_text_replaces_the_older_one_with_usual_rights(tmp_path):
    target = tmp_path / "new" / "note.txt"
    umask = os.umask(0o027)
    try:
        write_text(target, "old")
        write_text(target, "nëw")
    finally:
        os.umask(umask)
    assert target.read_text(encoding="utf-8") == "nëw"
    assert target.stat().st_mode & 0o777 == 0o640
    assert [path.name for path in target.parent.iterdir()] == ["note.txt"]


def test_a_failure_while_staging_keeps_the_older_file_and_leaves_no_rubbish(tmp_path):
    target = tmp_path / "note.txt"
    write_text(target, "old")

    def fail():
        with staging_folder(tmp_path) as folder:
            (folder / "note.txt").write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EIO])
def test_trouble_with_the_disk_is_a_clear_error_and_keeps_the_older_file(tmp_path, number):
    target = tmp_path / "note.txt"
    write_text(target, "old")

    def fail():
        with staging_folder(tmp_path) as folder:
            (folder / "note.txt").write_text("half")
            raise OSError(number, os.strerror(number))

    with pytest.raises(UserError, match=f"{os.strerror(number)}. What was there before"):
        fail()
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_other_errors_of_the_system_are_not_blamed_on_the_disk(tmp_path):
    with pytest.raises(FileNotFoundError), staging_folder(tmp_path):
        (tmp_path / "missing").read_text()


def test_file_and_folder_are_flushed_around_the_rename(tmp_path, monkeypatch):
    done = []
    fsync, replace = os.fsync, os.replace

    def flush(descriptor):
        done.append(Path(f"/proc/self/fd/{descriptor}").readlink().name)
        fsync(descriptor)

    def rename(source, target):
        done.append("rename")
        replace(source, target)

    monkeypatch.setattr(os, "fsync", flush)
    monkeypatch.setattr(os, "replace", rename)
    write_text(tmp_path / "note.txt", "text")
    assert done == ["note.txt", "rename", tmp_path.name]


def test_a_write_protected_staged_file_is_published(tmp_path):
    with staging_folder(tmp_path) as folder:
        staged = folder / "model"
        staged.write_bytes(b"weights")
        staged.chmod(0o400)  # as MindSpore leaves its files
        publish(staged, tmp_path / "model")
    assert os.access(tmp_path / "model", os.W_OK)
    assert (tmp_path / "model").stat().st_mode & 0o200


def test_a_parent_that_is_a_file_is_a_clear_error(tmp_path):
    (tmp_path / "taken").write_text("")
    with pytest.raises(UserError, match="cannot write into"):
        write_text(tmp_path / "taken" / "note.txt", "text")
