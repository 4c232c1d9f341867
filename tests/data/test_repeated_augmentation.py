"""Repeated augmentation: order, ranks and number of samples, and what the repeats look like."""

from __future__ import annotations

from collections import Counter

import pytest
from image_files import folder_config, make_folder
from pair_files import make_pairs, pair_config

from acmix.config import DetectionDataConfig
from acmix.data import create_dataset
from acmix.errors import UserError

PLAIN = {"scale": None, "hflip": 0, "num_workers": 1}
AUGMENTED = {"scale": (0.3, 1.0), "hflip": 0.5, "color_jitter": 0.3}


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return make_folder(tmp_path_factory.mktemp("images"), {"ant": 7, "bee": 6}, (10, 10))


def open_train(root, times, ranks=1, rank=0, **settings):
    config = folder_config(root, **({"repeated_augmentation": times} | settings))
    return create_dataset(config, "train", seed=5, num_shards=ranks, shard_id=rank)


def images_of(dataset, k=0, skip_batches=0):
    """The images of an epoch as bytes, in order."""
    return [image.tobytes() for batch in dataset.epoch(k, skip_batches) for image in batch[0]]


def labels_of(dataset):
    """The label of each image of an epoch."""
    return {
        image.tobytes(): int(label)
        for batch in dataset.epoch(0)
        for image, label in zip(*batch, strict=True)
    }


def ranks_by_definition(order, times, ranks, batch_size):
    """The images of each rank by DeiT's sampler and a loader that drops the last batch."""
    stream = []
    for image in order:
        stream.extend([image] * times)
    chosen = len(order) // ranks
    whole = chosen - chosen % batch_size
    return [stream[rank::ranks][:whole] for rank in range(ranks)]


@pytest.mark.parametrize(("times", "ranks"), [(3, 1), (3, 2), (3, 4), (2, 3), (13, 2)])
def test_order_of_every_rank(root, times, ranks):
    order = images_of(open_train(root, 1, **PLAIN, batch_size=13), k=2)
    assert len(set(order)) == 13
    expected = ranks_by_definition(order, times, ranks, batch_size=2)
    data = [open_train(root, times, ranks, rank, **PLAIN) for rank in range(ranks)]
    assert [images_of(each, k=2) for each in data] == expected
    assert {len(each) for each in data} == {13 // ranks // 2}
    assert {each.num_samples for each in data} == {13}


def test_labels_belong_to_the_images(root):
    label_of = labels_of(open_train(root, 1, **PLAIN, batch_size=13))
    assert set(label_of.values()) == {0, 1}
    assert labels_of(open_train(root, 3, **PLAIN, batch_size=13)).items() < label_of.items()


def test_repeats_are_augmented_differently_and_the_first_as_without_repetition(root):
    once = images_of(open_train(root, 1, **AUGMENTED, batch_size=13))
    thrice = images_of(open_train(root, 3, **AUGMENTED, batch_size=13))
    assert len(set(thrice)) == 13
    assert thrice[::3] == once[:5]


def test_repeats_differ_between_epochs(root):
    dataset = open_train(root, 13, **AUGMENTED, batch_size=13)
    assert set(images_of(dataset, 0)).isdisjoint(images_of(dataset, 1))


def test_ranks_together_see_the_batches_of_one(root):
    whole = list(open_train(root, 3, **AUGMENTED, batch_size=6).epoch(1))
    ranks = [open_train(root, 3, 3, rank, **AUGMENTED, batch_size=2).epoch(1) for rank in range(3)]
    for step, parts in enumerate(zip(*ranks, strict=True)):
        seen = Counter(image.tobytes() for images, _ in parts for image in images)
        assert seen == Counter(image.tobytes() for image in whole[step][0])


@pytest.mark.parametrize("kind", ["threads", "processes"])
def test_workers_and_resuming_do_not_matter(root, kind):
    expected = images_of(open_train(root, 3, **AUGMENTED, num_workers=1), k=1)
    dataset = open_train(root, 3, **AUGMENTED, num_workers=3, workers_are=kind)
    assert images_of(dataset, k=1) == expected
    assert images_of(dataset, k=1, skip_batches=4) == expected[8:]


def test_validation_has_every_image_once(root):
    config = folder_config(root, repeated_augmentation=3)
    assert len(set(images_of(create_dataset(config, "val", seed=0))[:13])) == 13


def test_segmentation_augments_repeats_with_their_labels(tmp_path):
    config = pair_config(make_pairs(tmp_path), batch_size=3, repeated_augmentation=3)
    ((images, labels),) = list(create_dataset(config, "train", seed=1).epoch(0))[:1]
    assert len({image.tobytes() for image in images}) == 3
    assert len({each.tobytes() for each in labels}) == 3


def test_what_makes_no_sense_is_refused(root):
    with pytest.raises(UserError, match=r"data\.repeated_augmentation.*0"):
        folder_config(root, repeated_augmentation=0)
    with pytest.raises(UserError, match=r"=14 exceeds the 13 training samples; lower"):
        open_train(root, 14)
    with pytest.raises(UserError, match=r"=3 is not for detection.*repeated_augmentation=1\."):
        DetectionDataConfig(repeated_augmentation=3)
