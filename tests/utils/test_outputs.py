"""An output that cannot be written is refused before any work, and the check leaves nothing."""

from __future__ import annotations

import errno
import os
import socket

import pytest

from acmix.errors import UserError
from acmix.utils.outputs import check_output_file, check_output_folder


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "taken").write_text("a file")
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("taken")
    (tmp_path / "dangling").symlink_to("nowhere")
    (tmp_path / "circle").symlink_to("circle")
    os.mkfifo(tmp_path / "pipe")
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(tmp_path / "socket"))
    return tmp_path


@pytest.mark.parametrize("name", ["new", "deep/er/new", "taken", "folder/new", "ü #+", "x" * 255])
def test_what_can_be_written_passes_and_nothing_is_left(folder, name):
    before = sorted(folder.rglob("*"))
    check_output_file(folder / name)
    assert sorted(folder.rglob("*")) == before


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("link", "is a link, through which nothing is written"),
        ("dangling", "is a link, through which nothing is written"),
        ("folder", "is a folder; name a file"),
        ("pipe", "is no regular file but a pipe, socket or device"),
        ("socket", "is no regular file but a pipe, socket or device"),
        ("/dev/null", "is no regular file but a pipe, socket or device"),
        ("taken/x", "Not a directory"),
        ("taken/x/y", "Not a directory"),
        ("dangling/x", "dangling is a link to nothing"),
        ("circle/x", "Too many levels of symbolic links"),
        ("x" * 256, "File name too long"),
        ("a/" + "x" * 256 + "/b", "File name too long"),
        ("x/" * 3000, "File name too long"),
        ("/proc/x/y", "no file can be made in /proc"),
        ("a\0b", "embedded null byte"),
    ],
    ids=lambda text: text[:10].replace("\0", "0"),
)
def test_a_file_that_cannot_be_written_is_named_with_the_reason(folder, name, reason):
    with pytest.raises(UserError, match=reason) as error:
        check_output_file(folder / name, what="--json")
    assert str(error.value).startswith("--json: ")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("taken", "taken is a file"),
        ("link", "link is a file"),
        ("taken/x", "Not a directory"),
        ("dangling", "dangling is a link to nothing"),
        ("/proc/run", "no file can be made in /proc"),
        ("x" * 256, "File name too long"),
    ],
    ids=lambda text: text[:10],
)
def test_a_folder_that_cannot_be_written_is_named_with_the_reason(folder, name, reason):
    with pytest.raises(UserError, match=reason):
        check_output_folder(folder / name)


@pytest.mark.parametrize("name", ["new", "deep/er/new", "folder"])
def test_a_folder_that_can_be_made_is_not_made(folder, name):
    before = sorted(folder.rglob("*"))
    check_output_folder(folder / name)
    assert sorted(folder.rglob("*")) == before


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO])
def test_a_full_disk_is_noticed(folder, monkeypatch, number):
    def fail(descriptor):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(UserError, match=os.strerror(number)):
        check_output_file(folder / "new")
    assert not list(folder.glob(".tmp-*"))


@pytest.mark.skipif(os.geteuid() == 0, reason="permissions do not bind root")
def test_a_missing_permission_is_noticed(folder):
    (folder / "folder").chmod(0o555)
    with pytest.raises(UserError, match="Permission denied"):
        check_output_folder(folder / "folder" / "run")
    (folder / "taken").chmod(0o444)
    with pytest.raises(UserError, match="protected against writing"):
        check_output_file(folder / "taken")


def test_a_missing_permission_is_told_to_root_as_to_others(folder, monkeypatch):
    def refuse(**where):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr("tempfile.TemporaryDirectory", refuse)
    with pytest.raises(UserError, match=r"no file can be made in .* \(Permission denied\)"):
        check_output_folder(folder / "folder" / "run")


@pytest.mark.parametrize("name", ["taken", "folder/../taken", "hard"])
def test_an_input_is_not_replaced_whatever_its_name(folder, name):
    os.link(folder / "taken", folder / "hard")
    with pytest.raises(UserError, match=r"is the input .*taken, which would be lost"):
        check_output_file(folder / name, ["a\0b", folder / "missing", folder / "taken"])
