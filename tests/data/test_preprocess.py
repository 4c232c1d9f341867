"""The evaluation transform against its definition; its dictionary is untrusted input."""

from __future__ import annotations

import json

import numpy as np
import pytest
from image_files import encode, pattern
from PIL import Image

from acmix.config import ClassificationDataConfig
from acmix.data import Preprocess
from acmix.errors import UserError

CONFIG = ClassificationDataConfig(image_size=28, crop_pct=0.875)


def raw(preprocess: Preprocess, encoded: bytes) -> np.ndarray:
    """Undo the normalisation: (S, S, C) in 0..255."""
    mean, std = (
        255 * np.array(values)[:, None, None] for values in (preprocess.mean, preprocess.std)
    )
    return (preprocess(encoded) * std + mean).transpose(1, 2, 0)


@pytest.mark.parametrize("size", [(64, 64), (64, 128), (160, 64), (16, 24), (32, 32)])
def test_equals_resize_of_the_shorter_side_then_centre_crop(size):
    pixels = pattern(*size)
    scale = 32 / min(size)  # 28 / 0.875 = 32
    resized = Image.fromarray(pixels).resize(
        (round(size[1] * scale), round(size[0] * scale)), Image.Resampling.BICUBIC
    )
    left, top = (resized.width - 28) // 2, (resized.height - 28) // 2
    expected = np.asarray(resized.crop((left, top, left + 28, top + 28))).astype(float)
    actual = raw(Preprocess.from_config(CONFIG), encode(pixels))
    assert np.abs(actual - expected).max() < 1.01


def test_image_of_the_right_size_is_only_normalised():
    pixels = pattern(8, 8)
    preprocess = Preprocess.from_config(ClassificationDataConfig(image_size=8, crop_pct=1.0))
    expected = (pixels / 255 - np.array(preprocess.mean)) / np.array(preprocess.std)
    actual = preprocess(encode(pixels))
    assert actual.dtype == np.float32
    assert actual.shape == (3, 8, 8)
    np.testing.assert_allclose(actual, expected.transpose(2, 0, 1), atol=1e-5)


def test_grey():
    config = ClassificationDataConfig(
        image_size=8, crop_pct=1.0, channels=1, mean=(0.25,), std=(0.5,)
    )
    grey = pattern(8, 8)[..., 0]
    actual = Preprocess.from_config(config)(encode(grey))
    np.testing.assert_allclose(actual, (grey[None] / 255 - 0.25) / 0.5, atol=1e-5)


def test_shrinking_is_antialiased():
    stripes = np.zeros((64, 64), np.uint8)
    stripes[:, ::2] = 255
    config = ClassificationDataConfig(
        image_size=8, crop_pct=1.0, channels=1, mean=(0.0,), std=(1.0,), interpolation="bilinear"
    )
    assert np.abs(Preprocess.from_config(config)(encode(stripes)) - 0.5).max() < 0.05


def test_extreme_shapes_cost_no_memory():
    strip = encode(np.full((1, 100_000), 9, np.uint8))
    assert Preprocess.from_config(CONFIG)(strip).shape == (3, 28, 28)


def test_survives_json():
    preprocess = Preprocess.from_config(CONFIG)
    assert Preprocess.from_dict(json.loads(json.dumps(preprocess.to_dict()))) == preprocess


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"image_size": "28"}, "preprocess.image_size must be an integer"),
        ({"image_size": 10**9}, "preprocess.image_size"),
        ({"image_size": 0}, "preprocess.image_size"),
        ({"crop_pct": 0}, "preprocess.crop_pct"),
        ({"channels": 4}, "preprocess.channels must be one of 1, 3"),
        ({"channels": 1}, "one value per channel"),
        ({"std": [1, 0, 1]}, "preprocess.std"),
        ({"mean": None}, "preprocess.mean must be a list"),
        ({"mean": [0, 0, float("nan")]}, "finite"),
        ({"interpolation": "bicubik"}, "preprocess.interpolation"),
        ({"crop": 1}, "unknown key 'preprocess.crop'"),
    ],
)
def test_untrusted_dictionary_is_checked(change, message):
    tree = Preprocess.from_config(CONFIG).to_dict() | change
    with pytest.raises(UserError) as error:
        Preprocess.from_dict(tree)
    assert message in str(error.value)


def test_missing_key_and_wrong_type_of_dictionary_are_named():
    tree = Preprocess.from_config(CONFIG).to_dict()
    del tree["std"]
    with pytest.raises(UserError, match=r"preprocess\.std is missing"):
        Preprocess.from_dict(tree)
    with pytest.raises(UserError, match="preprocess must be a section"):
        Preprocess.from_dict([1])


def test_read_names_the_file_that_is_missing_or_no_image(tmp_path):
    preprocess = Preprocess.from_config(CONFIG)
    good, bad = tmp_path / "good.png", tmp_path / "bad.png"
    good.write_bytes(encode(pattern(30, 30)))
    bad.write_text("text")
    assert (preprocess.read(good) == preprocess(good.read_bytes())).all()
    for path in (bad, tmp_path / "missing.png"):
        with pytest.raises(UserError, match=path.name):
            preprocess.read(path)
