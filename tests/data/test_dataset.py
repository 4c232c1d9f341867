"""Batches: shapes, padding, shards, and that they depend on seed, epoch and sample alone."""

from __future__ import annotations

from collections import Counter

import mindspore.dataset as ds
import numpy as np
import pytest
from image_files import folder_config, make_folder

from acmix.config import ClassificationDataConfig
from acmix.data import Preprocess, create_dataset
from acmix.errors import UserError


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return make_folder(tmp_path_factory.mktemp("images"), {"ant": 7, "bee": 6})


AUGMENTED = {"scale": (0.3, 1.0), "hflip": 0.5, "color_jitter": 0.3}


def open_train(root, seed=0, num_shards=1, shard_id=0, **changes):
    config = folder_config(root, **(AUGMENTED | changes))
    return create_dataset(config, "train", seed=seed, num_shards=num_shards, shard_id=shard_id)


def collect(batches):
    images, labels = zip(*batches, strict=True)
    return np.concatenate(images), np.concatenate(labels)


def assert_equal(left, right):
    for a, b in zip(left, right, strict=True):
        np.testing.assert_array_equal(a, b)


def test_train_batches_have_one_shape_and_drop_the_rest(root):
    dataset = open_train(root, batch_size=4)
    assert (len(dataset), dataset.num_samples, dataset.batch_size) == (3, 13, 4)
    assert dataset.classes == ("ant", "bee")
    batches = list(dataset.epoch(0))
    assert len(batches) == 3
    for images, labels in batches:
        assert (images.shape, images.dtype) == ((4, 3, 8, 8), np.float32)
        assert (labels.shape, labels.dtype) == ((4,), np.int32)


def test_val_is_in_order_and_padded_with_label_minus_one(root):
    dataset = create_dataset(folder_config(root, eval_batch_size=5), "val", seed=0)
    images, labels = collect(dataset.epoch(0))
    assert len(dataset) == 3
    assert dataset.batch_size == 5
    assert labels.tolist() == [0] * 7 + [1] * 6 + [-1] * 2
    assert not images[13:].any()


def test_val_images_equal_prediction_on_single_files_to_the_bit(root):
    dataset = create_dataset(folder_config(root), "val", seed=0)
    images, _ = collect(dataset.epoch(0))
    preprocess = Preprocess.from_dict(dataset.preprocess.to_dict())
    files = [root / "val" / "ant" / f"{i}.png" for i in range(7)]
    np.testing.assert_array_equal(images[:7], np.stack([preprocess.read(path) for path in files]))


def test_an_epoch_is_the_same_however_often_and_in_whatever_order_it_is_read(root):
    dataset = open_train(root)
    second = collect(dataset.epoch(2))
    first = collect(dataset.epoch(1))
    assert_equal(collect(dataset.epoch(2)), second)
    assert_equal(collect(open_train(root).epoch(1)), first)


@pytest.mark.parametrize(("seed", "epoch"), [(0, 1), (1, 0)])
def test_epochs_and_seeds_differ_in_order_and_augmentation(root, seed, epoch):
    images, labels = collect(open_train(root, batch_size=13).epoch(0))
    others, other_labels = collect(open_train(root, seed, batch_size=13).epoch(epoch))
    assert (labels != other_labels).any()
    # As sets: another order alone would not do.
    assert {image.tobytes() for image in images}.isdisjoint(image.tobytes() for image in others)


def test_number_of_workers_does_not_matter(root):
    one = collect(open_train(root, num_workers=1).epoch(3))
    assert_equal(collect(open_train(root, num_workers=4).epoch(3)), one)


def test_skipped_batches_are_the_first_ones_and_the_rest_is_unchanged(root):
    dataset = open_train(root)
    whole = list(dataset.epoch(1))
    assert_equal(collect(dataset.epoch(1, skip_batches=2)), collect(whole[2:]))
    assert list(dataset.epoch(1, skip_batches=len(dataset))) == []


def test_an_epoch_contains_no_sample_twice(root):
    images, _ = collect(
        open_train(root, batch_size=13, scale=None, hflip=0, color_jitter=0).epoch(0)
    )
    assert len({image.tobytes() for image in images}) == 13


def test_train_shards_together_are_the_batches_of_one_shard(root):
    whole = list(open_train(root, batch_size=6).epoch(1))
    shards = [list(open_train(root, 0, 3, shard, batch_size=2).epoch(1)) for shard in range(3)]
    assert [len(shard) for shard in shards] == [2, 2, 2]
    for step, (images, labels) in enumerate(whole):
        parts = [shard[step] for shard in shards]
        assert Counter(image.tobytes() for part, _ in parts for image in part) == Counter(
            image.tobytes() for image in images
        )
        assert sorted(np.concatenate([part for _, part in parts])) == sorted(labels)


@pytest.mark.parametrize("num_shards", [2, 3, 5])
def test_val_shards_count_every_sample_once(root, num_shards):
    config = folder_config(root, batch_size=2)
    seen: Counter = Counter()
    lengths = set()
    for shard in range(num_shards):
        dataset = create_dataset(config, "val", seed=0, num_shards=num_shards, shard_id=shard)
        images, labels = collect(dataset.epoch(0))
        lengths.add((len(dataset), len(labels)))
        seen.update(image.tobytes() for image in images[labels >= 0])
    assert len(lengths) == 1
    assert len(seen) == sum(seen.values()) == 13


def test_too_few_samples_for_a_batch_names_the_remedy(root):
    with pytest.raises(UserError, match=r"data\.batch_size=14 .*13 training samples; lower"):
        open_train(root, batch_size=14)
    with pytest.raises(UserError, match=r"2 device"):
        open_train(root, 0, 2, 0, batch_size=7)


@pytest.mark.parametrize(("num_shards", "shard_id"), [(2, 2), (2, -1), (0, 0)])
def test_impossible_shards_are_refused(root, num_shards, shard_id):
    with pytest.raises(UserError, match="shard_id"):
        open_train(root, 0, num_shards, shard_id)


def test_unknown_split_is_refused(root):
    with pytest.raises(UserError, match="'test'"):
        create_dataset(folder_config(root), "test", seed=0)


def test_an_epoch_can_be_left_in_the_middle(root):
    dataset = open_train(root)
    epoch = dataset.epoch(0)
    next(epoch)
    epoch.close()
    assert len(list(dataset.epoch(0))) == 6


def test_global_settings_of_mindspore_are_left_alone(root):
    usual = ds.config.get_prefetch_size()
    ds.config.set_prefetch_size(7)
    try:
        seed = ds.config.get_seed()
        list(open_train(root).epoch(0))
        assert (ds.config.get_prefetch_size(), ds.config.get_seed()) == (7, seed)
    finally:
        ds.config.set_prefetch_size(usual)


def test_batches_that_are_kept_are_not_overwritten(root):
    dataset = open_train(root)
    copies = [(images.copy(), labels.copy()) for images, labels in dataset.epoch(0)]
    for kept, copy in zip(list(dataset.epoch(0)), copies, strict=True):
        assert_equal(kept, copy)


def test_digits_pass_through_the_same_pipeline():
    config = ClassificationDataConfig(
        name="digits", image_size=16, channels=1, mean=(0.3,), std=(0.3,), scale=None, batch_size=32
    )
    train = create_dataset(config, "train", seed=0)
    images, labels = next(train.epoch(0))
    assert images.shape == (32, 1, 16, 16)
    assert train.classes == tuple("0123456789")
    assert set(labels) <= set(range(10))
    val = create_dataset(config, "val", seed=0)
    assert sum((labels >= 0).sum() for _, labels in val.epoch(0)) == val.num_samples == 355
