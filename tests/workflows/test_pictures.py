"""The folder of ``acmix predict --output``: nothing of the user's is lost."""

from __future__ import annotations

import json
import os
import time

import numpy as np
import pytest
from PIL import Image

from acmix.errors import UserError
from acmix.tasks.drawing import caption, open_picture
from acmix.tasks.picture_files import is_drawn, save_picture
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
        save_picture(caption(open_picture(self.image), "cat"), path)


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
        with folder.predictions() as add:
            add(json.dumps({"image": str(photo)}))
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


# --- masks ----------------------------------------------------------------------------------------


class Masked(Prediction):
    """Objects of two classes, one of which is no name of a file; their masks are halves."""

    classes = ("cat", "a/../b \x1b" + "é" * 50)

    def bitmaps(self):
        for half in (slice(0, 30), slice(30, 60)):
            mask = np.zeros((40, 60), np.uint8)
            mask[:, half] = 1
            yield mask


def write_masks(photo, out, masks=True):
    PictureFolder(out, [str(photo)], masks=masks).draw(0, Masked(str(photo)))


def test_every_mask_has_a_file_of_number_and_class(photo, tmp_path):
    for _ in range(2):  # its own files are replaced
        write_masks(photo, tmp_path / "out")
    first, second = sorted((tmp_path / "out" / "masks" / "holiday").iterdir())
    assert first.name == "1_cat.png"
    assert second.name == "2_a_b_" + "é" * 36 + ".png"
    left, right = (np.asarray(Image.open(file)) for file in (first, second))
    assert left.shape == (40, 60)
    assert (left[:, :30] == 255).all()
    np.testing.assert_array_equal(right, 255 - left)


def test_masks_are_written_on_request_alone(photo, tmp_path):
    write_masks(photo, tmp_path / "out", masks=False)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["holiday.png"]


@pytest.mark.parametrize("drawn", [False, True])
def test_a_mask_replaces_neither_a_file_of_the_user_nor_an_image(photo, tmp_path, drawn):
    target = tmp_path / "out" / "masks" / "holiday" / "1_cat.png"
    target.parent.mkdir(parents=True)
    images = [str(photo)]
    if drawn:  # an earlier mask, which is read now
        images.append(str(target))
        Prediction(str(photo)).draw(target)
        message = "is the input .*, which would be lost"
    else:
        Image.new("RGB", (9, 9)).save(target)
        message = r"1_cat\.png exists and is none of acmix predict's"
    before = target.read_bytes()
    folder = PictureFolder(tmp_path / "out", images, masks=True)
    with pytest.raises(UserError, match=message):
        folder.draw(0, Masked(str(photo)))
    assert target.read_bytes() == before


def test_a_picture_of_an_unknown_suffix_is_refused(photo, tmp_path):
    with pytest.raises(UserError, match=r"its suffix is none of a picture, such as \.png"):
        Prediction(str(photo)).draw(tmp_path / "a.xyz")
