"""Arguments that name images: files, folders, patterns and lists."""

from __future__ import annotations

import pytest
from PIL import Image

from acmix.data.image_paths import image_paths
from acmix.errors import UserError


@pytest.fixture
def here(tmp_path, monkeypatch):
    """Images in two folders, one inside of the other, and a file that is none."""
    monkeypatch.chdir(tmp_path)
    for name in ("photos/b.png", "photos/a.jpg", "photos/more/c.PNG", "d [1].png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (4, 4)).save(tmp_path / name)
    (tmp_path / "photos" / "notes.txt").write_text("no image")
    return tmp_path


@pytest.mark.parametrize(
    ("argument", "found"),
    [
        ("d [1].png", ["d [1].png"]),  # an existing name is no pattern
        ("photos", ["photos/a.jpg", "photos/b.png", "photos/more/c.PNG"]),
        ("photos/*.png", ["photos/b.png"]),
        ("photos/**/*.[pP]*", ["photos/b.png", "photos/more/c.PNG"]),
        ("photos/m*", ["photos/more/c.PNG"]),
        ("photos/*.txt", ["photos/notes.txt"]),  # told as unreadable when it is decoded
    ],
)
def test_an_argument_stands_for_files_in_their_order(here, argument, found):
    assert image_paths([argument]) == found
    assert image_paths(["photos/b.png", argument]) == ["photos/b.png", *found]


def test_a_list_has_an_argument_on_each_line(here):
    lines = b"\xef\xbb\xbfphotos/b.png\r\n\r\n  photos/more  \nphotos/*.jpg"
    (here / "list.txt").write_bytes(lines)
    assert image_paths(["@list.txt"]) == ["photos/b.png", "photos/more/c.PNG", "photos/a.jpg"]
    Image.new("RGB", (4, 4)).save(here / "@list.txt", "png")
    assert image_paths(["@list.txt"]) == ["@list.txt"]


def test_pictures_of_an_earlier_command_are_not_read(here):
    found = ["photos/a.jpg", "photos/b.png"]
    assert image_paths(["photos"], besides="photos/more") == found
    assert image_paths(["photos"], besides=here / "photos" / "more") == found
    assert image_paths(["photos/more/c.PNG"], besides="photos/more") == ["photos/more/c.PNG"]


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("missing.png", "missing.png: No such file"),
        ("@missing.txt", "missing.txt: No such file"),
        ("*.gif", r"\*\.gif matches no file"),
        ("empty", "empty holds no images"),
        ("@empty.txt", "@empty.txt names no images"),
    ],
)
def test_what_names_no_image_is_told(here, argument, message):
    (here / "empty").mkdir()
    (here / "empty.txt").write_text("\n \n")
    with pytest.raises(UserError, match=message):
        image_paths(["photos/a.jpg", argument])
