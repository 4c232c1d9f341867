"""One image in every form is the same image; what is no image is refused with the remedy."""

from __future__ import annotations

import mindspore as ms
import numpy as np
import pytest
from image_files import encode, pattern
from PIL import Image

from acmix.config import ClassificationDataConfig
from acmix.data import Preprocess
from acmix.data.image_input import image_name, open_image
from acmix.errors import UserError

PIXELS = pattern(12, 16)
PREPROCESS = Preprocess.from_config(ClassificationDataConfig(image_size=8))


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "image.png"
    path.write_bytes(encode(PIXELS))
    return path


@pytest.mark.parametrize("form", ["path", "text", "bytes", "pil", "alpha", "view"])
def test_every_form_gives_the_same_input(file, form):
    image = {
        "path": file,
        "text": str(file),
        "bytes": file.read_bytes(),
        "pil": Image.open(file),
        "alpha": np.dstack([PIXELS, np.full((12, 16), 7, np.uint8)]),
        "view": PIXELS[::-1][::-1],
    }[form]
    np.testing.assert_array_equal(np.asarray(open_image(image, 3)), PIXELS)
    expected = PREPROCESS.transform(Image.fromarray(PIXELS))
    np.testing.assert_array_equal(PREPROCESS(image), expected)
    np.testing.assert_array_equal(PREPROCESS.read(image), expected)


@pytest.mark.parametrize("shape", [(12, 16), (12, 16, 1)])
def test_grey_pixels_are_repeated_for_a_network_of_colours(shape):
    grey = PIXELS[..., 0]
    opened = np.asarray(open_image(grey.reshape(shape), 3))
    np.testing.assert_array_equal(opened, np.repeat(grey[..., None], 3, 2))
    np.testing.assert_array_equal(np.asarray(open_image(grey.reshape(shape), 1)), grey)


def test_a_photograph_given_as_pil_is_turned_upright():
    image = Image.fromarray(PIXELS)
    image.getexif()[0x0112] = 6
    np.testing.assert_array_equal(np.asarray(open_image(image, 3)), np.rot90(PIXELS, -1))


def test_the_image_of_the_caller_stays():
    image, kept = Image.fromarray(PIXELS), PIXELS.copy()
    PREPROCESS(image), PREPROCESS(PIXELS)
    np.testing.assert_array_equal(np.asarray(image), kept)
    np.testing.assert_array_equal(PIXELS, kept)


CHANNELS_FIRST = "uint8 (3, 12, 16): channels come first. Write image.transpose(1, 2, 0)."
REFUSED = [
    (PIXELS.transpose(2, 0, 1), CHANNELS_FIRST),
    (
        PIXELS[None],
        "uint8 (1, 12, 16, 3): this is a batch. Give a list of its images: list(images)",
    ),
    (PIXELS[0, 0], "got uint8 (3,)."),
    (PIXELS[:0], "got uint8 (0, 16, 3)."),
    (np.zeros((9, 9, 5), np.uint8), "C must be 1, 3 or 4"),
    (PIXELS / 255, "got float64 (12, 16, 3)"),
    (PIXELS / 255, "Write (255 * image).round().astype(np.uint8)."),
    (PIXELS.astype(np.int64), "Write image.astype(np.uint8)."),
    (PIXELS / 255 - 0.5, "give values from 0 to 255."),
    (PIXELS > 9, "got bool"),
    (ms.Tensor(PIXELS), "Tensor. Write image.asnumpy()."),
    (7, "a path, bytes, a PIL image or a NumPy array, got int."),
    (None, "got NoneType"),
    (b"no image", "cannot read an image of 8 bytes: not an image"),
    ("nowhere.png", "cannot read image nowhere.png"),
]


@pytest.mark.parametrize(("image", "message"), REFUSED, ids=[text[-20:] for _, text in REFUSED])
def test_what_is_no_image_is_refused_with_the_remedy(image, message):
    with pytest.raises(UserError) as caught:
        open_image(image, 3)
    assert message in str(caught.value)


def test_names(file):
    assert image_name(file) == str(file)
    assert image_name(PIXELS) == image_name(Image.fromarray(PIXELS))
    assert image_name(PIXELS) == "an image of 16 x 12 pixels"
