"""Corrupt images are refused, left out, or found when they are met, always by name."""

from __future__ import annotations

import logging

import numpy as np
import pytest
from image_files import encode, folder_config, make_folder

from acmix.data import create_dataset
from acmix.errors import UserError


@pytest.fixture
def broken(tmp_path):
    make_folder(tmp_path, {"ant": 4, "bee": 4})
    (tmp_path / "train/ant/1.png").write_text("no image")
    (tmp_path / "train/bee/2.png").write_bytes(b"")
    return tmp_path


def test_refuse_counts_and_names_them_with_the_remedy(broken):
    with pytest.raises(UserError, match="2 of 8 images") as error:
        create_dataset(folder_config(broken), "train", seed=0)
    for part in ("ant/1.png", "bee/2.png", "data.on_corrupt=skip"):
        assert part in str(error.value)


def test_refuse_names_no_more_than_ten(tmp_path):
    make_folder(tmp_path, {"ant": 12})
    for path in (tmp_path / "train/ant").iterdir():
        path.write_text("no image")
    with pytest.raises(UserError, match=r"12 of 12 .*; and 2 more") as error:
        create_dataset(folder_config(tmp_path), "train", seed=0)
    assert str(error.value).count(".png") == 10


def test_skip_leaves_them_out_and_says_so(broken, caplog):
    with caplog.at_level(logging.WARNING):
        dataset = create_dataset(folder_config(broken, on_corrupt="skip"), "train", seed=0)
    assert dataset.num_samples == 6
    assert sorted(name[-9:] for name in dataset.corrupt) == ["ant/1.png", "bee/2.png"]
    assert "2 of 8" in caplog.text
    labels = np.concatenate([labels for _, labels in dataset.epoch(0)])
    assert np.bincount(labels).tolist() == [3, 3]


def test_skip_refuses_to_lose_a_class(broken):
    for path in (broken / "train/bee").iterdir():
        path.write_text("no image")
    with pytest.raises(UserError, match="all images of 'bee'"):
        create_dataset(folder_config(broken, on_corrupt="skip"), "train", seed=0)


def test_unchecked_names_the_file_when_it_is_met(broken):
    dataset = create_dataset(folder_config(broken, on_corrupt="unchecked"), "train", seed=0)
    with pytest.raises(UserError, match=r"(ant/1|bee/2)\.png"):
        list(dataset.epoch(0))


def test_an_image_that_vanishes_after_the_scan_is_named(tmp_path):
    make_folder(tmp_path, {"ant": 4})
    dataset = create_dataset(folder_config(tmp_path), "val", seed=0)
    (tmp_path / "val/ant/3.png").unlink()
    with pytest.raises(UserError, match=r"val/ant/3\.png"):
        list(dataset.epoch(0))


def test_images_above_the_limit_of_pixels_count_as_corrupt(tmp_path):
    make_folder(tmp_path, {"ant": 2}, size=(5, 5))
    (tmp_path / "train/ant/0.png").write_bytes(encode(np.zeros((6, 5), np.uint8)))
    with pytest.raises(UserError, match=r"1 of 2 .*ant/0\.png .5 x 6 pixels"):
        create_dataset(folder_config(tmp_path, max_image_pixels=25), "train", seed=0)
