"""Files appear whole or not at all."""

from __future__ import annotations

import errno
import os
import re
from pathlib import Path

import pytest

from acmix.errors import UserError
from acmix.utils.files import plain_path, publish, staging_folder, text_file, utf8_path, write_text


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


@pytest.mark.parametrize("name", ["note.txt", "caf\udce9.txt", "new\nline", "x" * 255])
def test_any_name_and_any_text_is_written(tmp_path, name):
    write_text(tmp_path / name, '{"class": "\udce9ü\x1b"}')
    assert (tmp_path / name).read_bytes() == '{"class": "\\udce9ü\x1b"}'.encode()


@pytest.mark.parametrize("name", ["x" * 256, "folder", "pipe"])
def test_a_name_that_cannot_be_written_is_a_clear_error(tmp_path, name):
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UserError, match=f"cannot write .*{name}: "):
        write_text(tmp_path / name, "text")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder", "pipe"]


def test_a_link_is_replaced_and_not_what_it_leads_to(tmp_path):
    (tmp_path / "victim").write_text("precious")
    (tmp_path / "link").symlink_to("victim")
    write_text(tmp_path / "link", "text")
    assert (tmp_path / "victim").read_text() == "precious"


@pytest.mark.parametrize("name", ["plain", "a b", "a+b", "网", "q'\"", "new\nline", "caf\udce9"])
@pytest.mark.parametrize("temporary", ["/tmp", "other folder"])
def test_a_plain_path_leads_to_any_folder(tmp_path, monkeypatch, name, temporary):
    (tmp_path / name).mkdir()
    (tmp_path / "other folder").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / temporary))
    with plain_path(tmp_path / name) as plain:
        assert re.fullmatch(r"[0-9A-Za-z@_\-.:/\\]+", str(plain))  # what MindSpore takes
        (plain / "file").write_text("here")
    assert (tmp_path / name / "file").read_text() == "here"
    assert not plain.exists() or name == "plain"


def test_a_file_without_utf8_name_is_read_by_a_copy(tmp_path):
    for name in ("caf\udce9.onnx", "ü.onnx"):
        (tmp_path / name).write_text("weights")
        with utf8_path(tmp_path / name) as readable:
            str(readable).encode()
            assert (readable.read_text(), readable.suffix) == ("weights", ".onnx")


def test_a_file_written_bit_by_bit_appears_at_the_end_or_not_at_all(tmp_path):
    target = tmp_path / "new" / "list.json"
    with text_file(target) as file:
        file.write("[")
        assert not target.exists()
        file.write("]")
    assert target.read_text() == "[]"
    with pytest.raises(ZeroDivisionError), text_file(target) as file:
        file.write(f"half {1 / 0}")
    assert target.read_text() == "[]"
    assert [path.name for path in target.parent.iterdir()] == ["list.json"]


def test_a_failure_leaves_no_folder_that_was_made_for_it(tmp_path):
    (tmp_path / "there").mkdir()
    for parent in (tmp_path / "new" / "deep", tmp_path / "there"):
        with pytest.raises(ZeroDivisionError), text_file(parent / "a.txt"):
            raise ZeroDivisionError
    assert [path.name for path in tmp_path.iterdir()] == ["there"]
    write_text(tmp_path / "new" / "deep" / "a.txt", "a")
    assert (tmp_path / "new" / "deep" / "a.txt").read_text() == "a"
