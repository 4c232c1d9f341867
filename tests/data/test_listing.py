"""What is found below a folder, and how what is not read is told."""

from __future__ import annotations

import logging
import os

import pytest
from image_files import encode, pattern

from acmix.data import listing
from acmix.data.listing import list_images, report_unread

PICTURE = pattern(4, 4)


def write(file, content=b""):
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
    return file


@pytest.mark.parametrize(
    ("name", "file_format"),
    [
        ("a.jfif", "JPEG"), ("b", "JPEG"), ("c.txt", "JPEG"), ("d.jpe", "JPEG"), ("e.bak", "PNG"),
        ("f", "BMP"), ("g", "GIF"), ("h", "TIFF"), ("i", "WEBP"), ("j.pnm", "PPM"), ("k.1", "PNG"),
    ],
)  # fmt: skip
def test_a_suffix_that_is_not_known_is_decided_by_content(tmp_path, name, file_format):
    write(tmp_path / name, encode(PICTURE, file_format))
    assert list_images(tmp_path).images == [name]


@pytest.mark.parametrize(
    "content", [b"", b"text", b"BM is a text", b"P6 is one, too", b"\x00" * 40, b"RIFF1234WAVEfmt"]
)
def test_other_content_is_no_image(tmp_path, content):
    write(tmp_path / "x.dat", content)
    assert list_images(tmp_path).unread == {"x.dat": listing.NO_IMAGE}


def test_known_suffixes_are_taken_unseen_so_that_corrupt_ones_are_found_later(tmp_path):
    write(tmp_path / "x.JPG", b"no image")
    assert list_images(tmp_path).images == ["x.JPG"]


def test_any_depth_is_read_in_the_order_of_the_parts(tmp_path):
    names = ["0.png", "a/0.png", "a/b/c/d/e/f/0.png", "a b/0.png", "b/0.png"]
    for name in reversed(names):
        write(tmp_path / name, encode(PICTURE))
    assert list_images(tmp_path).images == names


def test_links_are_followed_and_circles_end(tmp_path):
    write(tmp_path / "train/ant/deep/0.png", encode(PICTURE))
    write(tmp_path / "train/bee/0.png", encode(PICTURE))
    write(tmp_path / "elsewhere/1.png", encode(PICTURE))
    ant = tmp_path / "train/ant"
    (ant / "more").symlink_to(tmp_path / "elsewhere")
    (ant / "again").symlink_to(ant / "deep")
    (ant / "deep/up").symlink_to(ant)
    (ant / "all").symlink_to(tmp_path / "train")  # would read the bees as ants
    (ant / "itself").symlink_to("itself")
    found = list_images(ant)
    assert found.images == ["again/0.png", "more/1.png"]
    assert found.unread == {
        "deep": listing.SEEN,
        "again/up": listing.SEEN,
        "all": listing.SEEN,
        "itself": listing.DEAD_LINK,
    }


def test_hidden_dead_and_special_entries_are_named_and_never_opened(tmp_path):
    write(tmp_path / ".DS_Store")
    write(tmp_path / ".cache/0.png", encode(PICTURE))
    (tmp_path / "gone.png").symlink_to("nowhere.png")
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "zero.png").symlink_to("/dev/zero")
    found = list_images(tmp_path)
    assert found.images == []
    assert found.unread == {
        ".DS_Store": listing.HIDDEN,
        ".cache": listing.HIDDEN,
        "gone.png": listing.DEAD_LINK,
        "pipe.png": listing.SPECIAL,
        "zero.png": listing.SPECIAL,
    }


def test_what_may_not_be_read_is_named(tmp_path, monkeypatch):
    write(tmp_path / "locked/0.png")
    write(tmp_path / "secret")

    def scandir(path):
        if str(path).endswith("locked"):
            raise PermissionError(13, "Permission denied")
        return real(path)

    def refuse(*arguments):
        raise PermissionError(13, "Permission denied")

    real = os.scandir
    monkeypatch.setattr(os, "scandir", scandir)
    monkeypatch.setattr(listing, "open", refuse, raising=False)
    expected = {"locked": listing.UNREADABLE, "secret": listing.UNREADABLE}
    assert list_images(tmp_path).unread == expected
    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(PermissionError):
        list_images(tmp_path)


def test_one_line_counts_each_reason_and_names_ten_the_gravest_first(tmp_path, caplog):
    unread = {f"n{i:02}.txt": listing.NO_IMAGE for i in range(12)}
    unread |= {".x": listing.HIDDEN, "z.png": listing.DEAD_LINK}
    report_unread(tmp_path, unread)
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert record.getMessage() == (
        f"{tmp_path}: 14 files or folders are not read (1 dead link, 12 no image, 1 hidden): "
        f"z.png, {', '.join(f'n{i:02}.txt' for i in range(9))} and 4 more."
    )


def test_nothing_is_said_where_everything_is_read(tmp_path, caplog):
    report_unread(tmp_path, {})
    assert not caplog.records
