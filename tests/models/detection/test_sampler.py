"""Balanced sampling: counts, members, chance, and its state."""

import mindspore as ms
import numpy as np
import pytest
from mindspore import Tensor

from acmix.errors import UserError
from acmix.models.detection.sampler import BalancedSampler


def matches(*images):
    """Anchors of images given as (positives, background, ignored), in an order of chance."""
    rng = np.random.default_rng(7)
    rows = []
    for positives, background, ignored in images:
        row = [*rng.integers(0, 5, positives), *[-1] * background, *[-2] * ignored]
        rows.append(rng.permutation(row))
    return np.array(rows, np.int32)


def draw(sampler, matched):
    index, positive, valid = sampler(Tensor(matched))
    assert (index.dtype, positive.dtype, valid.dtype) == (ms.int32, ms.bool_, ms.bool_)
    return index.asnumpy(), positive.asnumpy(), valid.asnumpy()


@pytest.mark.parametrize(
    ("image", "positives", "background"),
    [
        ((30, 60, 10), 4, 12),  # plenty of both
        ((2, 88, 10), 2, 14),  # background takes the places of missing positives
        ((60, 5, 35), 4, 5),  # positives do not take the places of missing background
        ((0, 90, 10), 0, 16),  # an image without boxes
        ((100, 0, 0), 4, 0),
        ((3, 4, 93), 3, 4),  # too few of both
        ((0, 0, 100), 0, 0),  # everything ignored
    ],
)
def test_counts_and_members_of_a_sample(mode, image, positives, background):
    matched = matches(image, (30, 60, 10))
    index, positive, valid = draw(BalancedSampler(16, 0.25), matched)
    assert index.shape == positive.shape == valid.shape == (2, 16)
    assert (index >= 0).all()
    assert (index < 100).all()
    for row, (p, b) in enumerate([(positives, background), (4, 12)]):
        np.testing.assert_array_equal(positive[row], np.arange(16) < p)
        np.testing.assert_array_equal(valid[row], np.arange(16) < p + b)
        values = matched[row, index[row]]
        assert (values[positive[row]] >= 0).all()
        assert (values[valid[row] & ~positive[row]] == -1).all()
        drawn = index[row][valid[row]]
        assert len(np.unique(drawn)) == len(drawn)


def test_more_places_than_anchors():
    index, positive, valid = draw(BalancedSampler(12, 0.5), matches((2, 3, 1)))
    assert index.shape == (1, 12)
    assert positive.sum() == 2
    assert valid.sum() == 5
    assert sorted(index[valid]) == sorted(np.flatnonzero(matches((2, 3, 1))[0] != -2))


def test_fraction_of_one_takes_positives_only_while_there_are_enough():
    _, positive, _ = draw(BalancedSampler(8, 1.0), matches((20, 20, 0), (3, 37, 0)))
    assert positive.sum(1).tolist() == [8, 3]


def test_steps_and_images_draw_differently_and_go_on_from_a_saved_state(mode):
    matched = np.repeat(matches((50, 150, 0)), 2, 0)
    sampler = BalancedSampler(20, 0.5)
    first = draw(sampler, matched)[0]
    saved = sampler.random_state.asnumpy().copy()
    second = draw(sampler, matched)[0]
    assert (first != second).any()
    assert (first[0] != first[1]).any()
    resumed = BalancedSampler(20, 0.5)
    resumed.random_state.set_data(Tensor(saved))
    np.testing.assert_array_equal(draw(resumed, matched)[0], second)


def test_state_follows_the_seed_and_is_not_trained():
    states = []
    for seed in (3, 3, 4):
        ms.set_seed(seed)
        sampler = BalancedSampler(4, 0.5)
        states.append(sampler.random_state.asnumpy().tolist())
    assert states[0] == states[1] != states[2]
    assert [p.name for p in sampler.get_parameters()] == ["random_state"]
    assert not sampler.trainable_params()


def test_every_candidate_is_drawn_equally_often():
    matched = np.repeat(matches((8, 24, 8)), 200, 0)
    sampler = BalancedSampler(12, 0.25)
    counts = np.zeros(40)
    for _ in range(10):
        index, _, valid = draw(sampler, matched)
        counts += np.bincount(index[valid], minlength=40)
    # 2000 samples of 3 out of 8 positives and of 9 out of 24 others: 750 each, variance below 750.
    expected = np.where(matched[0] == -2, 0, 750)
    assert counts.sum() == 2000 * 12
    assert (counts[expected == 0] == 0).all()
    assert np.abs(counts - expected).max() < 4 * np.sqrt(750 * 5 / 8)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0, 0.5), "num_samples must be at least 1, got 0"),
        ((16, 0.0), "positive_fraction must be above 0"),
        ((16, 1.5), "positive_fraction must be .* at most 1"),
        ((16, 0.05), "leave a place for a positive, got 0.05 of num_samples=16"),
    ],
)
def test_impossible_samples_are_refused(arguments, message):
    with pytest.raises(UserError, match=message):
        BalancedSampler(*arguments)
