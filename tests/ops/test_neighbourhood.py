"""The index tables of local attention: memory bounds, and every shape a valid plan."""

import numpy as np
import pytest

from acmix.ops.neighbourhood import neighbourhood_plan
from acmix.ops.padding import reflect_index

RESNET_STAGES = [(56, 16), (28, 32), (14, 64), (7, 128)]


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize(("size", "head_dim"), RESNET_STAGES)
def test_memory_stays_far_below_unfold(size, head_dim, stride):
    """Logits, keys and values of a head, against unfold's 49 of each per query."""
    plan = neighbourhood_plan(size, size, 7, stride, 1, head_dim)
    queries = plan.out_size[0] * plan.out_size[1]
    keys = size**2 if plan.keys is None else plan.keys.size
    ours = plan.mask.size * plan.blocks + 2 * head_dim * keys
    unfolded = 49 * queries * (1 + 2 * head_dim)
    assert ours < (0.2 if stride == 1 else 0.4) * unfolded


@pytest.mark.parametrize("dilation", [1, 2, 5])
def test_dilation_costs_no_wider_halo(dilation):
    """A block's keys lie on the lattice of its queries: as many as without dilation."""
    plan = neighbourhood_plan(40, 40, 7, 1, dilation, 16, "halo")
    assert plan.keys.size < 49 / 7 * 40 * 40


def test_small_maps_need_no_copy():
    plan = neighbourhood_plan(7, 7, 7, 1, 1, 128)
    assert plan.keys is None
    assert plan.queries is None
    np.testing.assert_allclose(np.exp(plan.mask).sum(1), 49, rtol=1e-5)


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 9), (5, 3), (23, 8), (17, 31)])
def test_each_output_pixel_is_written_by_its_own_query(height, width, stride):
    plan = neighbourhood_plan(height, width, 5, stride, 2, 8, "halo")
    rows, columns = np.arange(0, height, stride), np.arange(0, width, stride)
    assert plan.out_size == (len(rows), len(columns))
    expected = (rows[:, None] * width + columns[None]).reshape(-1)
    np.testing.assert_array_equal(plan.queries[plan.output], expected)
    assert (plan.mask == 0).sum(1).tolist() == [25] * len(plan.mask)


def test_reflection_is_numpys():
    for length in (2, 3, 7):
        padded = np.pad(np.arange(length), length - 1, mode="reflect")
        found = reflect_index(np.arange(-(length - 1), 2 * length - 1), length)
        np.testing.assert_array_equal(found, padded)
    np.testing.assert_array_equal(reflect_index(np.arange(-4, 5), 1), 0)
