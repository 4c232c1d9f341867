"""Batches for detectors: boxes follow the pixels; shapes, shards, padding, and who is in them."""

from __future__ import annotations

import io
import logging
from collections import Counter

import numpy as np
import pytest
from coco_files import annotation, coco_tree, detection_config, write_split
from image_files import encode, pattern
from PIL import Image

from acmix.config import DetectionDataConfig
from acmix.data import DetectionDataset, create_dataset
from acmix.errors import UserError

# Lying and upright images, with an odd number of each; ids are not positions.
SIZES = {
    10: (60, 40), 11: (40, 60), 12: (64, 48), 13: (50, 32), 14: (30, 45), 15: (80, 20),
    16: (33, 66), 17: (48, 36), 18: (47, 40),
}  # fmt: skip


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Box of image i: (i - 10, 1, 10, 12), which tells the images apart."""
    folder = tmp_path_factory.mktemp("coco")
    tree = coco_tree(SIZES, [annotation(i, (i - 10, 1, 10, 12)) for i in SIZES])
    for split in ("train2017", "val2017"):
        write_split(folder, tree, split)
    return folder


def open_split(root, split="train", seed=0, num_shards=1, shard_id=0, **changes):
    config = detection_config(root, **changes)
    return create_dataset(config, split, seed=seed, num_shards=num_shards, shard_id=shard_id)


def open_one(tmp_path, pixels, boxes, split="train", **changes) -> DetectionDataset:
    """Open a data set of one picture."""
    height, width = pixels.shape[:2]
    tree = coco_tree({1: (width, height)}, [annotation(1, box) for box in boxes])
    for name in ("train2017", "val2017"):
        write_split(tmp_path, tree, name)
        (tmp_path / name / "0001.png").write_bytes(encode(pixels))
    return open_split(tmp_path, split, batch_size=1, **changes)


def assert_batches_equal(left, right):
    for a, b in zip(left, right, strict=True):
        for x, y in zip(a, b, strict=True):
            np.testing.assert_array_equal(x, y)


# Boxes follow the pixels.


@pytest.mark.parametrize("flip", [0, 1])
@pytest.mark.parametrize(("size", "short_side"), [((80, 60), 64), ((60, 80), 32), ((90, 40), 45)])
def test_box_encloses_the_marked_block_after_resize_and_flip(tmp_path, flip, size, short_side):
    width, height = size
    left, top, right, bottom = 8, 12, 28, 20
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[top:bottom, left:right] = 255
    dataset = open_one(
        tmp_path, pixels, [(left, top, right - left, bottom - top)],
        short_side=(short_side,), long_side=128, hflip=flip, mean=(0, 0, 0), std=(1, 1, 1),
    )  # fmt: skip
    ((images, boxes, labels, sizes),) = dataset.epoch(0)
    assert labels.tolist() == [[0, -1, -1, -1]]
    assert not boxes[0, 1:].any()
    wide, high = dataset.preprocess.size(width, height)
    assert sizes.tolist() == [[high, wide]]
    marked = np.argwhere(images[0, 0, :high, :wide] > 0.5)
    (low_y, low_x), (high_y, high_x) = marked.min(0), marked.max(0) + 1
    # Half of the brightness is where the edge of the block is, to half a pixel.
    np.testing.assert_allclose(boxes[0, 0], [low_x, low_y, high_x, high_y], atol=0.51)
    exact = np.array([left * wide / width, right * wide / width])
    if flip:
        exact = wide - exact[::-1]
    np.testing.assert_allclose(boxes[0, 0, 0::2], exact, rtol=1e-6)
    np.testing.assert_allclose(
        boxes[0, 0, 1::2], [top * high / height, bottom * high / height], rtol=1e-6
    )


def test_flipping_mirrors_the_image_without_its_padding(tmp_path):
    pixels = pattern(20, 25)
    plain = open_one(tmp_path / "a", pixels, [(0, 0, 25, 20)], hflip=0)
    flipped = open_one(tmp_path / "b", pixels, [(0, 0, 25, 20)], hflip=1)
    ((image, boxes, *_),), ((mirrored, mirrored_boxes, *_),) = plain.epoch(0), flipped.epoch(0)
    assert image.shape == (1, 3, 32, 48)
    np.testing.assert_array_equal(mirrored[..., :40], image[..., 39::-1])
    np.testing.assert_array_equal(mirrored_boxes, boxes)
    np.testing.assert_array_equal(boxes[0, 0], [0, 0, 40, 32])


def test_scale_carries_boxes_back_to_the_original_image(root):
    train, val = open_split(root, hflip=0, batch_size=9), open_split(root, "val", batch_size=1)
    scales = {int(index[0]): scale[0] for _, _, index, scale in val.epoch(0)}
    for _, boxes, _, _ in train.epoch(0):
        for box in boxes[:, 0]:
            found = [
                position for position, scale in scales.items()
                if np.allclose(box / np.tile(scale, 2), [position, 1, position + 10, 13], atol=1e-4)
            ]  # fmt: skip
            assert len(found) == 1


def test_boxes_beyond_the_maximum_are_dropped_the_smallest_first_and_counted(tmp_path, caplog):
    sides = [9, 3, 8, 4, 7, 6]
    with caplog.at_level(logging.WARNING):
        dataset = open_one(
            tmp_path, pattern(32, 32), [(0, 0, s, s) for s in sides], hflip=0, max_boxes=4
        )
    ((_, boxes, labels, _),) = dataset.epoch(0)
    np.testing.assert_allclose(boxes[0, :, 2], [9, 8, 7, 6])
    assert labels.tolist() == [[0, 0, 0, 0]]
    assert "1 images have more than data.max_boxes=4 boxes; 2 boxes" in caplog.text
    assert len(dataset.ground_truth.anns) == 6


def test_crowds_are_in_the_ground_truth_alone(tmp_path):
    tree = coco_tree(
        {1: (32, 32)}, [annotation(1, (0, 0, 9, 9), iscrowd=1), annotation(1, (1, 1, 4, 4), 7)]
    )
    dataset = open_split(write_split(tmp_path, tree), batch_size=1)
    ((_, _, labels, _),) = dataset.epoch(0)
    assert labels.tolist() == [[1, -1, -1, -1]]
    assert len(dataset.ground_truth.anns) == 2


# What a batch is.


def test_train_batches(root):
    dataset = open_split(root)
    assert dataset.classes == ("dog", "cat")
    assert dataset.category_ids == (3, 7)
    assert dataset.image_ids == tuple(SIZES)
    assert (dataset.num_samples, dataset.batch_size) == (9, 2)
    shapes = Counter()
    for images, boxes, labels, _ in dataset.epoch(0):
        assert images.shape[2:] in dataset.preprocess.shapes
        assert images.shape[:2] == (2, 3)
        assert (boxes.shape, labels.shape) == ((2, 4, 4), (2, 4))
        assert (images.dtype, boxes.dtype, labels.dtype) == (np.float32, np.float32, np.int32)
        shapes[images.shape] += 1
    assert len(shapes) > 2
    assert sum(shapes.values()) == len(dataset)


def samples_of(batches) -> Counter:
    """Count images by their pixels, whose boxes do not matter."""
    return Counter(image.tobytes() for images, *_ in batches for image in images)


def test_every_image_is_in_every_epoch_and_the_last_batch_of_a_bucket_is_filled_with_its_own(root):
    dataset = open_split(root, hflip=0, batch_size=4)
    epochs = [samples_of(dataset.epoch(k)) for k in range(3)]
    for seen in epochs:
        assert len(seen) == 9
        assert sum(seen.values()) == 4 * len(dataset)
    assert set(epochs[0]) == set(epochs[1]) == set(epochs[2])


def test_one_image_fills_a_batch(tmp_path):
    dataset = open_one(tmp_path, pattern(20, 25), [(0, 0, 5, 5)], hflip=0)
    wide = create_dataset(detection_config(tmp_path, batch_size=3, hflip=0), "train", seed=0)
    ((one, *_),), ((three, *_),) = dataset.epoch(0), wide.epoch(0)
    np.testing.assert_array_equal(three, np.repeat(one, 3, axis=0))


def test_val_has_every_image_once_with_its_position_and_blank_padding(root):
    dataset = open_split(root, "val", eval_batch_size=4)
    assert dataset.batch_size == 4
    positions: list[int] = []
    padded = 0
    for images, sizes, index, scale in dataset.epoch(0):
        assert (index.shape, index.dtype) == ((4,), np.int32)
        assert (scale.shape, scale.dtype) == ((4, 2), np.float32)
        assert not images[index < 0].any()
        padded += (index < 0).sum()
        positions += index[index >= 0].tolist()
        for image, size, position, factors in zip(images, sizes, index, scale, strict=True):
            if position >= 0:
                width, height = SIZES[dataset.image_ids[position]]
                encoded = (root / "val2017" / f"{position + 10:04}.png").read_bytes()
                expected, expected_scale = dataset.preprocess(encoded)
                np.testing.assert_array_equal(image, expected)
                np.testing.assert_array_equal(factors, expected_scale)
                np.testing.assert_allclose(size, factors[::-1] * [height, width], rtol=1e-6)
                assert dataset.preprocess.bucket(width, height) == image.shape[1:]
    assert sorted(positions) == list(range(9))
    assert padded == 4 * len(dataset) - 9 > 0


def test_val_takes_the_largest_short_side_and_train_each_of_them(root):
    val = open_split(root, "val", short_side=(16, 24, 32))
    assert val.preprocess == open_split(root, "val").preprocess
    train = open_split(root, short_side=(16, 24, 32), hflip=0)
    heights = set()
    for k in range(4):
        for images, boxes, _, _ in train.epoch(k):
            assert images.shape[2:] in val.preprocess.shapes
            heights |= {round(float(box[3] - box[1]) / 12 * 40) for box in boxes[:, 0]}
    assert len(heights) > 9  # more than one for each of the nine images


# Of what it depends.


def test_an_epoch_is_the_same_however_often_and_in_whatever_order_it_is_read(root):
    dataset = open_split(root)
    second = list(dataset.epoch(2))
    list(dataset.epoch(1))
    assert_batches_equal(dataset.epoch(2), second)
    assert_batches_equal(open_split(root).epoch(2), second)


@pytest.mark.parametrize(("seed", "epoch"), [(0, 1), (1, 0)])
def test_epochs_and_seeds_differ(root, seed, epoch):
    one, other = open_split(root).epoch(0), open_split(root, seed=seed).epoch(epoch)
    assert samples_of(one) != samples_of(other)


def test_epochs_differ_in_the_order_of_buckets_and_in_who_shares_a_batch(root):
    dataset = open_split(root, hflip=0)
    orders, pairs = set(), set()
    for k in range(4):
        batches = list(dataset.epoch(k))
        orders.add(tuple(images.shape for images, *_ in batches))
        pairs.add(frozenset(frozenset(image.tobytes() for image in b[0]) for b in batches))
    assert len(orders) > 1
    assert len(pairs) > 1


def test_number_of_workers_does_not_matter(root):
    for split in ("train", "val"):
        assert_batches_equal(
            open_split(root, split, num_workers=1).epoch(1),
            open_split(root, split, num_workers=4).epoch(1),
        )


@pytest.mark.parametrize("split", ["train", "val"])
def test_skipped_batches_are_the_first_ones_and_the_rest_is_unchanged(root, split):
    dataset = open_split(root, split)
    whole = list(dataset.epoch(1))
    assert_batches_equal(dataset.epoch(1, skip_batches=2), whole[2:])
    assert list(dataset.epoch(1, skip_batches=len(dataset))) == []


@pytest.mark.parametrize("split", ["train", "val"])
@pytest.mark.parametrize("num_shards", [2, 3])
def test_shards_together_are_the_batches_of_one_shard(root, split, num_shards):
    """And hence the batches of one step are of one bucket."""
    whole = list(open_split(root, split, batch_size=num_shards * 2).epoch(1))
    shards = [
        list(open_split(root, split, 0, num_shards, shard, batch_size=2).epoch(1))
        for shard in range(num_shards)
    ]
    assert {len(shard) for shard in shards} == {len(whole)}
    for step, batch in enumerate(whole):
        for column, expected in enumerate(batch):
            parts = np.stack([shard[step][column] for shard in shards], axis=1)
            np.testing.assert_array_equal(parts.reshape(expected.shape), expected)


# What is left out, and refused.


@pytest.fixture
def with_empty(tmp_path):
    tree = coco_tree({1: (32, 32), 2: (32, 32)}, [annotation(2, (0, 0, 9, 9))])
    write_split(tmp_path, tree, "val2017")
    return write_split(tmp_path, tree)


def test_empty_images_are_skipped_in_training_and_kept_in_validation(with_empty, caplog):
    with caplog.at_level(logging.INFO):
        train = open_split(with_empty)
    assert train.image_ids == (2,)
    assert "1 of 2 images have no boxes" in caplog.text
    assert open_split(with_empty, "val").image_ids == (1, 2)


def test_kept_empty_images_are_all_padding(with_empty):
    dataset = open_split(with_empty, empty_images="keep")
    ((_, boxes, labels, _),) = dataset.epoch(0)
    empty = (labels == -1).all(axis=1)
    assert sorted(empty) == [False, True]
    assert not boxes[empty].any()


def test_no_image_to_train_on_is_refused(tmp_path):
    root = write_split(tmp_path, coco_tree({1: (32, 32)}, []))
    with pytest.raises(UserError, match=r"no images.*data\.empty_images"):
        open_split(root)


def test_corrupt_images_are_refused_or_left_out_of_the_ground_truth_too(with_empty):
    (with_empty / "val2017/0001.png").write_text("no image")
    with pytest.raises(UserError, match=r"1 of 2 images cannot be used: .*0001\.png"):
        open_split(with_empty, "val")
    dataset = open_split(with_empty, "val", on_corrupt="skip")
    assert dataset.image_ids == (2,)
    assert dataset.ground_truth.getImgIds() == [2]
    assert [name[-8:] for name in dataset.corrupt] == ["0001.png"]
    unchecked = open_split(with_empty, "val", on_corrupt="unchecked")
    with pytest.raises(UserError, match=r"val2017/0001\.png"):
        list(unchecked.epoch(0))


def test_all_images_corrupt_is_refused(with_empty):
    (with_empty / "train2017/0002.png").write_text("no image")
    with pytest.raises(UserError, match="all images of 'the split' are corrupt"):
        open_split(with_empty, on_corrupt="skip")


def test_images_above_the_limit_of_pixels_count_as_corrupt(with_empty):
    with pytest.raises(UserError, match="32 x 32 pixels exceed the limit of 1000"):
        open_split(with_empty, max_image_pixels=1000)


ANOTHER_SIZE = r"has 31 x 32 pixels, but its annotations are for 32 x 32"


def test_images_of_another_size_than_annotated_are_refused_or_left_out_before_training(with_empty):
    for name in ("val2017/0001.png", "val2017/0002.png", "train2017/0002.png"):
        (with_empty / name).write_bytes(encode(pattern(32, 31)))
    with pytest.raises(UserError, match=rf"2 of 2 .*0001\.png \({ANOTHER_SIZE}\); .*0002") as error:
        open_split(with_empty, "val")
    assert "EXIF" not in str(error.value)
    (with_empty / "val2017/0002.png").write_bytes(encode(pattern(32, 32)))
    dataset = open_split(with_empty, "val", on_corrupt="skip")
    assert dataset.image_ids == (2,)
    assert dataset.ground_truth.getImgIds() == [2]
    unchecked = open_split(with_empty, on_corrupt="unchecked")
    with pytest.raises(UserError, match=rf"0002\.png {ANOTHER_SIZE}.*data\.on_corrupt=skip"):
        list(unchecked.epoch(0))


def test_a_size_before_its_turn_by_exif_is_told_as_such(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    write_split(tmp_path, coco_tree({1: (40, 30)}, [annotation(1, (0, 0, 9, 9))]))
    (tmp_path / "train2017/0001.png").write_bytes(encode(pattern(30, 40), exif=exif))
    with pytest.raises(UserError, match="for 40 x 30, its size before it is turned upright as its"):
        open_split(tmp_path)


@pytest.mark.parametrize("crowd", [0, 1])
def test_a_validation_split_without_objects_is_refused(tmp_path, crowd):
    boxes = [annotation(1, (0, 0, 9, 9), iscrowd=1)] * crowd
    write_split(tmp_path, coco_tree({1: (32, 32)}, boxes), "val2017")
    with pytest.raises(UserError, match="none of the 1 images of the validation split has an obj"):
        open_split(tmp_path, "val")


def test_orientation_in_the_exif_data_is_applied_before_sizes_are_compared(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by a quarter
    buffer = io.BytesIO()
    Image.fromarray(pattern(30, 40)).save(buffer, format="JPEG", exif=exif)
    tree = coco_tree({1: (30, 40)}, [annotation(1, (0, 0, 9, 9))])
    write_split(tmp_path, tree)
    (tmp_path / "train2017/0001.png").write_bytes(buffer.getvalue())
    assert len(list(open_split(tmp_path).epoch(0))) == 1


# The embedded set.


def test_shapes_pass_through_the_same_pipeline():
    config = DetectionDataConfig(name="shapes", short_side=(64,), long_side=96, batch_size=16)
    train = create_dataset(config, "train", seed=0)
    assert isinstance(train, DetectionDataset)
    images, boxes, labels, _ = next(train.epoch(0))
    assert images.shape[:2] == (16, 3)
    valid = labels >= 0
    assert valid.any(axis=1).all()
    assert (boxes[valid][:, 2:] > boxes[valid][:, :2]).all()
    assert (boxes[valid] <= np.array([*images.shape[:1:-1]] * 2)).all()
    val = create_dataset(config, "val", seed=3)
    seen = np.concatenate([index for _, _, index, _ in val.epoch(0)])
    assert sorted(seen[seen >= 0]) == list(range(val.num_samples)) == list(range(128))
    assert val.ground_truth.getImgIds() == list(val.image_ids)
