"""Batches of images and labels: the same for any threads and shards; faults by name; digests."""

from __future__ import annotations

import logging
import shutil

import numpy as np
import pytest
from image_files import encode, pattern
from pair_files import CLASSES, label_map, make_pairs, pair_config, png
from PIL import Image

from acmix.config import SegmentationDataConfig
from acmix.data import create_dataset, prepare_mindrecord
from acmix.data.decode import decode
from acmix.errors import UserError


@pytest.fixture
def root(tmp_path):
    return make_pairs(tmp_path / "pairs")


def dataset(root, split="train", seed=0, shard=(1, 0), **changes):
    return create_dataset(
        pair_config(root, **changes), split, seed=seed, num_shards=shard[0], shard_id=shard[1]
    )


def epoch(data, k=0):
    return [*data.epoch(k)]


def assert_equal(ours, theirs):
    assert len(ours) == len(theirs) > 0
    for batch, expected in zip(ours, theirs, strict=True):
        for array, original in zip(batch, expected, strict=True):
            np.testing.assert_array_equal(array, original, strict=True)


def test_training_batches_are_crops_with_labels(root):
    data = dataset(root)
    assert (data.classes, data.num_samples, len(data)) == (CLASSES, 6, 3)
    for images, labels in epoch(data):
        assert (images.shape, images.dtype) == ((2, 3, 16, 16), np.float32)
        assert (labels.shape, labels.dtype) == ((2, 16, 16), np.int32)
        assert set(np.unique(labels)) <= {0, 1, 2, 255}


def test_they_depend_on_seed_and_epoch_alone(root):
    first = epoch(dataset(root))
    assert_equal(epoch(dataset(root, num_workers=2)), first)
    assert_equal([*dataset(root).epoch(0, skip_batches=2)], first[2:])
    for other in (epoch(dataset(root, seed=1)), epoch(dataset(root), 1)):
        assert any((a[0] != b[0]).any() for a, b in zip(first, other, strict=True))


def test_shards_together_are_one_device(root):
    first, second = (epoch(dataset(root, shard=(2, i), batch_size=1)) for i in range(2))
    both = [
        tuple(map(np.concatenate, zip(*pair, strict=True)))
        for pair in zip(first, second, strict=True)
    ]
    assert_equal(both, epoch(dataset(root)))


def test_validation_has_every_image_once_in_its_own_shape(root):
    (root / "images/val/a/0.png").write_bytes(encode(pattern(30, 20)))
    (root / "labels/val/a/0.png").write_bytes(png(label_map(30, 20)))
    shapes, positions = [], []
    for shard in range(2):
        for images, position, size, mirrored in epoch(dataset(root, "val", shard=(2, shard))):
            assert (position.dtype, size.dtype, mirrored.dtype) == (np.int32,) * 3
            assert mirrored.tolist() == [0]
            assert images.shape[2:] == tuple(size[0])
            shapes.append(images.shape[2:])
            positions.append(int(position[0]))
    assert positions == [0, 2, 1, -1]
    assert shapes == [(36, 24), (24, 34), (24, 34), (24, 34)]


def test_ground_truth_has_the_original_size_and_padding_does_not_change_it(root):
    data = dataset(root, "val", pad_divisor=16)
    for position, seed in enumerate((6, 8, 7)):
        np.testing.assert_array_equal(data.ground_truth(position), label_map(20, 28, seed))
    images, _, size, _ = epoch(data)[0]
    assert images.shape == (1, 3, 32, 48)
    assert size.tolist() == [[24, 34]]


def test_views_have_the_published_sizes_and_their_mirror_images(root):
    views = {"eval_ratios": (0.5, 1.0, 1.75), "eval_flip": True, "pad_divisor": 16}
    data = dataset(root, "val", **views)
    batches = epoch(data)
    assert len(data) == len(batches) == 3 * 6
    assert [int(position[0]) for _, position, _, _ in batches] == [0] * 6 + [1] * 6 + [2] * 6
    assert [int(mirrored[0]) for *_, mirrored in batches] == [0, 1] * 9
    sizes = [tuple(size[0]) for _, _, size, _ in batches[:6]]
    assert sizes[::2] == sizes[1::2] == [(12, 17), (24, 34), (42, 59)]
    assert [images.shape[2:] for images, *_ in batches[:6:2]] == [(16, 32), (32, 48), (48, 64)]
    for (straight, *_), (other, *_), (high, wide) in zip(
        batches[:6:2], batches[1:6:2], sizes[::2], strict=True
    ):
        np.testing.assert_array_equal(
            straight[..., :high, :wide], other[..., :high, :wide][..., ::-1]
        )
        assert not other[..., wide:].any()
    np.testing.assert_array_equal(epoch(dataset(root, "val", pad_divisor=16))[0][0], batches[2][0])
    shards = [epoch(dataset(root, "val", shard=(2, k), **views)) for k in range(2)]
    assert [int(b[1][0]) for b in shards[1]] == [1] * 6 + [-1] * 6


def test_more_shards_than_images_get_padding_of_a_shape_that_there_is(root):
    (batch,) = epoch(dataset(root, "val", shard=(4, 3)))
    assert batch[0].shape == (1, 3, 24, 34)
    assert batch[1].tolist() == [-1]


def test_labels_are_matched_by_name(root):
    data = dataset(root, "val").relabelled(("post", "water", "ground"), [2, -1, 0])
    assert data.classes == ("post", "water", "ground")
    before = label_map(20, 28, 6)
    expected = np.array([2, 255, 0, *[255] * 253], np.uint8)[before]
    np.testing.assert_array_equal(data.ground_truth(0), expected)
    palette = dataset(root, "val").palette
    assert (data.palette[[2, 0]] == palette[[0, 2]]).all()


BROKEN = {
    "another size": (png(label_map(20, 27)), r"has 28 x 20 pixels, but its labels are for 27 x 20"),
    "colours": (encode(pattern(20, 28)), r"labels/train/a/0\.png: holds colours \(RGB\) instead"),
    "16 bits": (png(label_map(20, 28).astype(np.uint16)), "has 16 bits per pixel instead of 8"),
    "no file": (b"x", "not a PNG file"),
    "classes": (
        png(np.array([[0, 3, 77, 255]] * 20, np.uint8).repeat(7, 1)),
        r"not in the class list: 3, 77 \(3 classes have values from 0 to 2\); complete data\.class",
    ),
}


@pytest.mark.parametrize("fault", BROKEN)
@pytest.mark.parametrize("way", ["refuse", "skip", "unchecked"])
def test_label_files_that_cannot_be_used_follow_on_corrupt(root, fault, way, caplog):
    content, message = BROKEN[fault]
    (root / "labels/train/a/0.png").write_bytes(content)
    if way == "refuse":
        with pytest.raises(UserError, match=message) as error:
            dataset(root, on_corrupt=way)
        assert "1 of 6 images cannot be used" in str(error.value)
        assert "data.on_corrupt=skip" in str(error.value)
    elif way == "skip":
        data = dataset(root, on_corrupt=way)
        assert data.num_samples == 5
        assert data.corrupt[0].endswith("images/train/a/0.png")
        assert "left out (data.on_corrupt=skip)" in caplog.text
    else:
        with pytest.raises(UserError, match=message):
            epoch(dataset(root, on_corrupt=way))


def test_a_turned_image_is_told_from_a_wrong_one(root):
    exif = Image.Exif()
    exif[0x0112] = 6
    (root / "images/train/a/0.png").write_bytes(encode(pattern(20, 28), exif=exif))
    with pytest.raises(UserError, match="remove that entry if the labels fit the image as stored"):
        dataset(root)


def test_values_that_no_class_has_may_be_ignored(root):
    (root / "classes.txt").write_text("ground\nblock")
    data = dataset(root, "val", unlisted="ignore")
    expected = np.where(label_map(20, 28, 6) == 2, 255, label_map(20, 28, 6))
    np.testing.assert_array_equal(data.ground_truth(0), expected)


def test_a_split_whose_pixels_are_all_ignored_is_refused(root, caplog):
    for path in (root / "labels/val").rglob("*.png"):
        path.write_bytes(png(np.full((20, 28), 255, np.uint8)))
    with pytest.raises(UserError, match="none of the 3 label files has a pixel of a class: all"):
        dataset(root, "val")
    with caplog.at_level(logging.INFO):
        (root / "labels/val/a/0.png").write_bytes(png(np.zeros((20, 28), np.uint8)))
        dataset(root, "val")
    assert "2 of 3 classes have no pixel in the validation split: block, post." in caplog.text


def test_a_label_file_that_vanishes_is_named_in_evaluation(root):
    data = dataset(root, "val")
    (root / "labels/val/a/2.png").unlink()
    with pytest.raises(UserError, match=r"cannot read image .*labels/val/a/2\.png"):
        data.ground_truth(1)


def differing(one, other):
    return {name for name in one.keys() | other.keys() if one.get(name) != other.get(name)}


def test_the_digest_covers_labels_classes_and_sizes(root, tmp_path):
    first = dataset(root).digest()
    assert first.keys() == {"images", "content", "classes", "labels", "preprocess"}
    shutil.copytree(root, tmp_path / "copy")
    assert dataset(tmp_path / "copy", seed=7, shard=(2, 1), hflip=0.1).digest() == first
    assert differing(first, dataset(root, size_divisor=32).digest()) == {"preprocess"}
    (root / "labels/train/a/0.png").write_bytes(png(label_map(20, 28, 99)))
    assert differing(first, dataset(root).digest()) == {"content"}
    (root / "classes.txt").write_text("ground\nblock\ncolumn")
    assert differing(first, dataset(root).digest()) == {"content", "classes"}
    (root / "classes.yaml").write_text("{1: ground, 0: block, 2: column}")
    assert "labels" in differing(first, dataset(root).digest())


def test_a_mindrecord_copy_gives_the_same_batches_and_digest(root, tmp_path):
    copy = tmp_path / "copy"
    counts = prepare_mindrecord(pair_config(root, reduce_zero_label=True, class_file=None), copy)
    assert counts == {"train": 6, "train_labels": 6, "val": 3, "val_labels": 3}
    for split in ("train", "val"):
        ours, theirs = dataset(copy, split), dataset(root, split, reduce_zero_label=True)
        assert (ours.classes, ours.digest()) == (theirs.classes, theirs.digest())
        assert_equal(epoch(ours), epoch(theirs))
    np.testing.assert_array_equal(ours.ground_truth(2), theirs.ground_truth(2))
    (copy / "val.json").write_text('{"images": [1], "labels": ["a"], "classes": []}')
    with pytest.raises(UserError, match=r"val\.json is damaged or missing: .* Make it anew with"):
        dataset(copy, "val")


@pytest.fixture(scope="module")
def drawn():
    config = SegmentationDataConfig(name="label_shapes", short_side=96, long_side=192, crop_size=64)
    return create_dataset(config, "val", seed=0)


def test_the_drawn_shapes_have_labels_of_their_pixels(drawn):
    assert drawn.classes == ("background", "circle", "rectangle", "triangle")
    assert drawn.num_samples == 128
    for position in range(5):
        labels = drawn.ground_truth(position)
        image = np.asarray(decode(drawn._samples.read(position), 3)).astype(float)
        assert labels.shape == image.shape[:2]
        saturation = image.max(-1) - image.min(-1)
        assert saturation[labels > 0].mean() > saturation[labels == 0].mean() + 40


def test_the_background_of_the_shapes_may_be_ignored():
    config = SegmentationDataConfig(
        name="label_shapes", reduce_zero_label=True, on_corrupt="unchecked"
    )
    data = create_dataset(config, "val", seed=0)
    assert data.classes == ("circle", "rectangle", "triangle")
    assert set(np.unique(data.ground_truth(0))) <= {0, 1, 2, 255}


def test_grey_networks_get_one_channel(root):
    images, _ = epoch(dataset(root, channels=1, mean=[0.5], std=[0.2]))[0]
    assert images.shape == (2, 1, 16, 16)


def test_too_few_samples_for_a_batch_are_refused(root):
    with pytest.raises(UserError, match=r"data\.batch_size=7 on 1 device\(s\) exceeds the 6"):
        dataset(root, batch_size=7)
