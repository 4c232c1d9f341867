"""The folder of ``acmix predict --output``: nothing of the user's is lost."""

from __future__ import annotations

import json
import os
import time

import numpy as np
import pytest
from PIL import Image

from acmix.errors import UserError
from acmix.tasks.drawing import caption, draw_objects, is_drawn
from acmix.workflows.pictures import PictureFolder, picture_names


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / "photos" / "holiday.png"
    path.parent.mkdir()
    Image.fromarray(np.full((40, 60, 3), 128, np.uint8)).save(path)
    return path


class Prediction:
    def __init__(self, image):
        self.image = image

    def draw(self, path):
        caption(self.image, path, "cat")


@pytest.mark.parametrize(
    ("images", "names"),
    [
        (["a/x.jpg", "b/x.png", "x"], ["x.png", "x_2.png", "x_3.png"]),
        (["x_2.jpg", "x.jpg", "x.jpg"], ["x_2.png", "x.png", "x_3.png"]),
        (["x.jpg", "x.jpg", "x_2.jpg"], ["x.png", "x_2.png", "x_2_2.png"]),
        (["caf\udce9.jpg", "a.b.c"], ["caf\udce9.png", "a.b.png"]),
    ],
)
def test_every_picture_has_a_name_of_its_own(images, names):
    assert picture_names(images) == names


def test_names_take_linear_time():
    start = time.process_time()
    names = picture_names(["x.jpg"] * 100_000)
    assert len(set(names)) == 100_000
    assert time.process_time() - start < 10


def test_pictures_and_predictions_are_written_and_replaced(photo, tmp_path):
    for _ in range(2):
        folder = PictureFolder(tmp_path / "new" / "out", [str(photo)])
        folder.draw(0, Prediction(str(photo)))
        folder.write_predictions(json.dumps([{"image": str(photo)}]))
    made = sorted(path.name for path in (tmp_path / "new" / "out").iterdir())
    assert made == ["holiday.png", "predictions.json"]
    assert is_drawn(tmp_path / "new" / "out" / "holiday.png")
    assert not is_drawn(photo)


@pytest.mark.parametrize("link", [None, os.link, os.symlink])
def test_the_image_itself_is_not_replaced(photo, tmp_path, link):
    given = photo
    if link:  # the same file by another name
        given = tmp_path / "holiday.png"
        link(photo, given)
    before = photo.read_bytes()
    with pytest.raises(UserError, match=r"is the input .*, which would be lost; name another file"):
        PictureFolder(photo.parent, [str(given)])
    assert photo.read_bytes() == before


def test_another_picture_of_the_user_is_not_replaced(photo, tmp_path):
    other = tmp_path / "elsewhere" / "holiday.png"
    other.parent.mkdir()
    Image.new("RGB", (9, 9)).save(other)
    with pytest.raises(UserError, match=r"holiday\.png exists and is none of acmix predict's"):
        PictureFolder(photo.parent, [str(other)])


@pytest.mark.parametrize("name", ["holiday.png", "predictions.json"])
@pytest.mark.parametrize("exists", [False, True])
def test_a_link_is_not_followed(photo, tmp_path, name, exists):
    out, victim = tmp_path / "out", tmp_path / "victim"
    out.mkdir()
    if exists:
        victim.write_text("precious")
    (out / name).symlink_to(victim)
    with pytest.raises(UserError, match=f"{name} is a link, through which nothing is written"):
        PictureFolder(out, [str(photo)])
    assert victim.exists() is exists


@pytest.mark.parametrize("text", ["{}", "[1]", "nonsense", '[{"image_id": 1}]', "[" * 100_000])
def test_a_predictions_file_of_another_program_is_not_replaced(photo, tmp_path, text):
    (tmp_path / "predictions.json").write_text(text)
    with pytest.raises(UserError, match=r"predictions\.json exists and is none of acmix predict's"):
        PictureFolder(tmp_path, [str(photo)])


def test_a_name_that_is_too_long_is_refused_before_any_work(photo, tmp_path):
    with pytest.raises(UserError, match="File name too long"):
        PictureFolder(tmp_path / "new", ["x" * 255])


@pytest.mark.parametrize("text", ["cat 53 %", "蚂蚁 53 %", "a\x1b[2J\nb\udce9", "", "x" * 100_000])
def test_any_name_is_drawn(photo, tmp_path, text):
    caption(str(photo), tmp_path / "a.png", text)
    boxes = np.array([[5.0, 5, 50, 30]])
    draw_objects(str(photo), tmp_path / "b.png", boxes, [text], [3])
    for name in ("a.png", "b.png"):
        assert Image.open(tmp_path / name).size == (60, 40)
        assert is_drawn(tmp_path / name)
    assert (np.asarray(Image.open(tmp_path / "b.png")) != 128).any()


def test_a_picture_of_an_unknown_suffix_is_refused(photo, tmp_path):
    with pytest.raises(UserError, match=r"its suffix is none of a picture, such as \.png"):
        caption(str(photo), tmp_path / "a.xyz", "cat")
