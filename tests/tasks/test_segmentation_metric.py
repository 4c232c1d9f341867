"""Mean intersection over union against mmseg's numbers, and labels at the original size."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from acmix.config import SegmentationDataConfig
from acmix.data import create_dataset
from acmix.data.class_list import ClassList
from acmix.errors import UserError
from acmix.parallel import World
from acmix.tasks.segmentation import label_map
from acmix.tasks.segmentation.label_map import View, labels_of, resize
from acmix.tasks.segmentation.metric import SegmentationMetric

GOLDEN = Path(__file__).parents[1] / "golden"


def load(name):
    return np.load(GOLDEN / f"{name}.npz")


def nine_classes():
    names = tuple("abcdefghi")
    return ClassList(names, tuple(range(1, 10)), ((0, 0, 0),) * 9, reduce_zero_label=True)


@pytest.fixture
def mmseg():
    return load("miou")


@pytest.fixture
def filled(mmseg):
    metric = SegmentationMetric(9, lambda position: mmseg[f"out_label{position}"])
    for position in range(3):
        metric.add(mmseg[f"in_prediction{position}"], mmseg[f"out_label{position}"])
    return metric


def test_values_of_files_become_labels_as_in_mmseg(mmseg):
    table = nine_classes().table()
    for image in range(3):
        labels = table[mmseg[f"in_raw{image}"]]
        np.testing.assert_array_equal(labels, mmseg[f"out_label{image}"])


def test_counts_and_numbers_are_those_of_mmseg(filled, mmseg):
    np.testing.assert_array_equal(np.diag(filled.confusion), mmseg["out_intersection"])
    np.testing.assert_array_equal(filled.confusion.sum(0), mmseg["out_predicted"])
    np.testing.assert_array_equal(filled.confusion.sum(1), mmseg["out_labelled"])
    np.testing.assert_allclose(filled.per_class(), mmseg["out_IoU"], atol=1e-7)
    np.testing.assert_allclose(filled.class_accuracy(), mmseg["out_Acc"], atol=1e-7)
    summary = json.loads(str(mmseg["meta"]))["summary"]
    numbers = filled.compute()
    assert numbers.keys() == {"mIoU", "mAcc", "aAcc"}
    for name, value in numbers.items():
        assert round(100 * value, 2) == pytest.approx(summary[name], abs=1e-4)
    assert numbers["aAcc"] == pytest.approx(float(mmseg["out_aAcc"]), abs=1e-7)


def one_hot(labels, classes=9):
    return np.eye(classes, dtype=np.float32)[labels].transpose(2, 0, 1)


def test_batches_are_compared_at_the_original_size_and_padding_does_not_count(filled, mmseg):
    metric = SegmentationMetric(9, lambda position: mmseg[f"out_label{position}"])
    for position in (0, 1, -1, 2):
        predicted = mmseg[f"in_prediction{position % 3}"]
        target = np.array([position]), np.array([predicted.shape]), np.array([0])
        metric.update(one_hot(predicted)[None], *target)
    np.testing.assert_array_equal(metric.confusion, filled.confusion)


def test_what_the_input_is_padded_with_is_cut_off():
    truth = np.array([[0, 0, 1, 1]] * 2, np.uint8)
    logits = np.zeros((1, 2, 4, 8), np.float32)
    logits[0, :, :2, :4] = one_hot(truth, 2)
    logits[0, 1, 2:, :] = logits[0, 1, :, 4:] = 50  # the padding
    metric = SegmentationMetric(2, lambda _: truth, padded=lambda size: (4, 8))
    metric.update(logits, np.array([0]), np.array([[2, 4]]), np.array([0]))
    assert metric.compute() == {"mIoU": 1.0, "mAcc": 1.0, "aAcc": 1.0}


class TwoDevices(World):
    """A world in which another device holds ``theirs``."""

    def __init__(self, theirs):
        super().__init__()
        self._theirs = theirs

    def all_reduce(self, values):
        return values + self._theirs


def test_devices_add_their_counts(filled):
    once = filled.confusion.copy()
    filled.all_reduce(TwoDevices(once))
    np.testing.assert_array_equal(filled.confusion, 2 * once)
    assert filled.confusion.dtype == np.int64


def test_impossible_values_are_refused():
    metric = SegmentationMetric(2, lambda _: np.full((2, 2), 2, np.uint8))
    with pytest.raises(UserError, match="no labelled pixel"):
        metric.compute()
    target = np.array([0]), np.array([[2, 2]]), np.array([0])
    with pytest.raises(UserError, match="labels go up to 2, but the model has 2 classes"):
        metric.update(np.zeros((1, 2, 2, 2), np.float32), *target)
    with pytest.raises(UserError, match="diverged"):
        metric.update(np.full((1, 2, 2, 2), np.nan, np.float32), *target)


def bilinear(maps, size):
    """Resize (K, h, w) by the definition, one axis after the other, in float64."""
    for axis, target in ((1, size[0]), (2, size[1])):
        source = maps.shape[axis]
        position = np.maximum((np.arange(target) + 0.5) * source / target - 0.5, 0)
        low = np.floor(position).astype(int)
        high = np.minimum(low + 1, source - 1)
        share = (position - low).reshape([-1 if a == axis else 1 for a in range(3)])
        maps = maps.take(low, axis) * (1 - share) + maps.take(high, axis) * share
    return maps


def test_resizing_is_that_of_torch():
    golden = load("seg_loss")
    for logits, expected in zip(golden["in_logits"], golden["out_resized"], strict=True):
        np.testing.assert_allclose(resize(logits, expected.shape[1:]), expected, atol=1e-5)


SIZES = [
    ((8, 11), (32, 44), None, (57, 91)),  # enlarged twice
    ((8, 11), (32, 44), None, (19, 13)),  # then reduced
    ((32, 44), (32, 44), (27, 40), (32, 44)),  # cut
    ((9, 12), (35, 47), (30, 41), (61, 50)),
    ((4, 4), (13, 13), None, (1, 1)),
]


@pytest.mark.parametrize(("logits", "network", "valid", "original"), SIZES)
@pytest.mark.parametrize("strip_bytes", [2**26, 4 * 91 * 5 * 3, 1])
def test_labels_are_those_of_two_resizings(
    logits, network, valid, original, strip_bytes, rng, monkeypatch
):
    monkeypatch.setattr(label_map, "_STRIP_BYTES", strip_bytes)
    values = rng.normal(size=(5, *logits)).astype(np.float32)
    high, wide = valid or network
    expected = bilinear(bilinear(values.astype(float), network)[:, :high, :wide], original)
    found = labels_of([View(values, network, (high, wide))], original)
    assert (found.dtype, found.shape) == (np.uint8, original)
    best = np.sort(expected, axis=0)
    sure = best[-1] - best[-2] > 1e-5
    assert sure.mean() > 0.99
    np.testing.assert_array_equal(found[sure], expected.argmax(0)[sure])


def test_one_resizing_would_give_other_labels(rng):
    values = rng.normal(size=(5, 8, 11)).astype(np.float32)
    found = labels_of([View(values, (32, 44), (32, 44))], (19, 13))
    assert (found != bilinear(values, (19, 13)).argmax(0)).any()


def test_views_are_averaged_as_probabilities_at_the_original_size(rng):
    original = (23, 31)
    first, second = rng.normal(size=(2, 4, 6, 9)).astype(np.float32) * 3
    views = [View(first, (24, 36), (24, 33)), View(second, (12, 18), (12, 18), mirrored=True)]
    logits = [
        bilinear(bilinear(first.astype(float), (24, 36))[:, :, :33], original),
        bilinear(bilinear(second.astype(float), (12, 18)), original)[:, :, ::-1],
    ]
    odds = [np.exp(one) / np.exp(one).sum(0) for one in logits]
    np.testing.assert_array_equal(labels_of(views, original), sum(odds).argmax(0))


def evaluated(num_shards, shard_id, step=4, **views):
    """Evaluate a network that sees single pixels on a shard of the drawn shapes."""
    config = SegmentationDataConfig(
        name="label_shapes",
        short_side=24,
        long_side=48,
        pad_divisor=16,
        on_corrupt="unchecked",
        **views,
    )
    data = create_dataset(config, "val", seed=0, num_shards=num_shards, shard_id=shard_id)
    metric = SegmentationMetric(4, data.ground_truth, data.preprocess.padded, len(data.views))
    for images, *targets in data.epoch(0):
        logits = np.concatenate([images, np.zeros_like(images[:, :1])], axis=1)
        metric.update(logits[..., ::step, ::step], *targets)
    return metric


def test_several_devices_give_the_counts_of_one_to_the_last_pixel():
    whole, second = evaluated(1, 0), evaluated(3, 1)
    first = evaluated(3, 0)
    first.all_reduce(TwoDevices(second.confusion + evaluated(3, 2).confusion))
    np.testing.assert_array_equal(first.confusion, whole.confusion)
    assert whole.confusion.sum() > 128 * 96**2


def test_all_views_of_an_image_decide_together():
    whole, first, second = (
        evaluated(*shard, eval_ratios=(0.5, 1.0, 1.5)) for shard in ((1, 0), (2, 0), (2, 1))
    )
    first.all_reduce(TwoDevices(second.confusion))
    np.testing.assert_array_equal(first.confusion, whole.confusion)
    assert (whole.confusion != evaluated(1, 0).confusion).any()


def test_a_network_that_sees_single_pixels_gives_the_same_labels_mirrored():
    once, both = (evaluated(1, 0, step=1, eval_flip=flip) for flip in (False, True))
    np.testing.assert_array_equal(once.confusion, both.confusion)
