"""Mixup and CutMix: pixels and labels by hand, the boxes, the shares, and batches of a data set."""

from __future__ import annotations

import numpy as np
import pytest
from image_files import folder_config, make_folder

from acmix.config import ClassificationDataConfig
from acmix.data import create_dataset
from acmix.data.mixing import Mixing, random_box
from acmix.errors import UserError


def batch(rng, size=6, side=8):
    labels = np.arange(size, dtype=np.int32)
    return rng.normal(size=(size, 3, side, side)).astype(np.float32), labels


def test_mixup_blends_each_image_and_label_with_that_half_a_batch_away(rng):
    images, labels = batch(rng)
    mixed, soft = Mixing(6, mixup=0.8)(images.copy(), labels, rng)
    own = soft[0, 0]
    assert 0 < own < 1
    for i in range(6):
        j = (i + 3) % 6
        np.testing.assert_allclose(mixed[i], own * images[i] + (1 - own) * images[j], atol=1e-6)
        expected = own * np.eye(6)[i] + (1 - own) * np.eye(6)[j]
        np.testing.assert_allclose(soft[i], expected, atol=1e-6)


def test_cutmix_pastes_one_box_and_labels_by_its_area(rng):
    seen = set()
    for _ in range(50):
        images, labels = batch(rng)
        mixed, soft = Mixing(6, cutmix=1.0)(images.copy(), labels, rng)
        pasted = (mixed != images).any(axis=(0, 1))
        others = np.roll(images, -3, axis=0)
        np.testing.assert_array_equal(mixed, np.where(pasted, others, images))
        rows, columns = pasted.any(1), pasted.any(0)
        np.testing.assert_array_equal(pasted, rows[:, None] & columns)
        np.testing.assert_allclose(np.diag(soft), 1 - pasted.mean(), atol=1e-6)
        np.testing.assert_allclose(soft.sum(1), 1, atol=1e-6)
        seen.add(int(pasted.sum()))
    assert len(seen) > 5


@pytest.mark.parametrize("own", [0.0, 0.3, 0.75, 1.0])
def test_box_has_the_area_asked_for_unless_the_border_cuts_it(own, rng):
    areas = []
    for _ in range(300):
        (rows, columns), share = random_box(100, 200, own, rng)
        assert 0 <= rows.start <= rows.stop <= 100
        assert 0 <= columns.start <= columns.stop <= 200
        area = (rows.stop - rows.start) * (columns.stop - columns.start) / 20000
        assert share == pytest.approx(1 - area)
        areas.append(area)
    assert max(areas) <= 1 - own + 1e-9
    if 0.5 < own < 1:
        assert max(areas) == pytest.approx(1 - own, abs=0.02)
    if own < 1:
        assert min(areas) < 0.6 * (1 - own)


def test_shares_follow_the_symmetric_beta_distribution(rng):
    images, labels = batch(rng, size=2, side=1)
    shares = [Mixing(2, mixup=0.8)(images.copy(), labels, rng)[1][0, 0] for _ in range(3000)]
    assert np.mean(shares) == pytest.approx(0.5, abs=0.02)
    assert np.var(shares) == pytest.approx(1 / (4 * (2 * 0.8 + 1)), abs=0.01)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"mixup": 1.0, "cutmix": 1.0}, (0.0, 0.5, 0.5)),
        ({"mixup": 1.0, "cutmix": 1.0, "switch_prob": 0.1}, (0.0, 0.9, 0.1)),
        ({"mixup": 1.0, "cutmix": 1.0, "prob": 0.4}, (0.6, 0.2, 0.2)),
        ({"mixup": 1.0, "switch_prob": 1.0}, (0.0, 1.0, 0.0)),
        ({"cutmix": 1.0, "switch_prob": 0.0}, (0.0, 0.0, 1.0)),
    ],
)
def test_method_is_drawn_per_batch_with_the_configured_probabilities(settings, expected, rng):
    images = np.stack([np.zeros((1, 16, 16)), np.ones((1, 16, 16))]).astype(np.float32)
    kinds = np.zeros(3)
    for _ in range(600):
        mixed, soft = Mixing(2, **settings)(images.copy(), np.array([0, 1]), rng)
        np.testing.assert_allclose(soft.sum(1), 1, atol=1e-6)
        if (soft == np.eye(2)).all():
            # An empty box of CutMix changes nothing either.
            kinds[0 if settings.get("prob") else 2] += 1
        else:
            kinds[1 if len(np.unique(mixed[0])) == 1 and 0 < mixed[0, 0, 0, 0] < 1 else 2] += 1
    np.testing.assert_allclose(kinds / 600, expected, atol=0.07)


def test_labels_of_a_pair_of_one_class_add_up(rng):
    images, _ = batch(rng, size=4)
    _, soft = Mixing(3, mixup=0.8, cutmix=1.0)(images, np.array([2, 2, 2, 2]), rng)
    np.testing.assert_allclose(soft, np.tile([0, 0, 1], (4, 1)), atol=1e-6)


MIXED = {"scale": (0.3, 1.0), "rand_augment": 9, "random_erasing": 0.5, "mixup": 0.8, "cutmix": 1.0}


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return make_folder(tmp_path_factory.mktemp("images"), {"ant": 9, "bee": 8})


def open_split(root, split="train", num_shards=1, shard_id=0, **changes):
    config = folder_config(root, **(MIXED | {"batch_size": 4} | changes))
    return create_dataset(config, split, seed=3, num_shards=num_shards, shard_id=shard_id)


def assert_equal(left, right):
    for one, other in zip(left, right, strict=True):
        for a, b in zip(one, other, strict=True):
            np.testing.assert_array_equal(a, b)


def test_training_batches_carry_soft_labels_and_validation_classes(root):
    for images, labels in open_split(root).epoch(0):
        assert (images.shape, images.dtype) == ((4, 3, 8, 8), np.float32)
        assert (labels.shape, labels.dtype) == ((4, 2), np.float32)
        np.testing.assert_allclose(labels.sum(1), 1, atol=1e-6)
    for _, labels in open_split(root, "val").epoch(0):
        assert (labels.shape, labels.dtype) == ((4,), np.int32)


def test_mixed_batches_do_not_depend_on_workers_nor_on_what_was_read_before(root):
    one = list(open_split(root, num_workers=1).epoch(2))
    assert_equal(open_split(root, num_workers=2).epoch(2), one)
    assert_equal(open_split(root).epoch(2, skip_batches=2), one[2:])


def test_batches_epochs_and_seeds_are_mixed_differently(root):
    shares = {
        float(share)
        for epoch in range(3)
        for _, labels in open_split(root, cutmix=0.0).epoch(epoch)
        for share in np.unique(labels)
        if 0.5 < share < 1
    }
    assert 6 < len(shares) <= 12


def test_shards_together_are_the_mixed_batches_of_one_device(root):
    whole = list(open_split(root, batch_size=8).epoch(1))
    shards = [
        list(open_split(root, num_shards=2, shard_id=i, batch_size=4).epoch(1)) for i in range(2)
    ]
    assert len(whole) == len(shards[0]) == 2
    for step, (images, labels) in enumerate(whole):
        for shard in range(2):
            np.testing.assert_array_equal(shards[shard][step][0], images[shard::2])
            np.testing.assert_array_equal(shards[shard][step][1], labels[shard::2])


@pytest.mark.parametrize("off", [{"mixup": 0.0, "cutmix": 0.0}, {"mix_prob": 0.0}])
def test_without_mixing_labels_are_classes(root, off):
    assert next(open_split(root, **off).epoch(0))[1].dtype == np.int32


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"batch_size": 1}, "data.batch_size=1"),
        ({"mixup": -1.0}, "data.mixup"),
        ({"rand_augment": 11}, "data.rand_augment"),
        ({"color_jitter": 0.4}, "data.color_jitter"),
        ({"random_erasing": 1.5}, "data.random_erasing"),
    ],
)
def test_impossible_augmentation_is_named(changes, key):
    with pytest.raises(UserError, match=key):
        ClassificationDataConfig(**(MIXED | changes))
