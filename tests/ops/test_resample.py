"""Resampling, neighbourhoods and pooling against NumPy."""

from pathlib import Path

import numpy as np
import oracles
import pytest
from mindspore import Tensor

from acmix.ops.pooling import average_pool
from acmix.ops.resample import (
    adaptive_average_pool,
    box_mean,
    nearest,
    reflect_pad,
    repeat,
    resize,
    resize_to_rows,
    upsample,
)
from acmix.ops.unfold import unfold


@pytest.fixture
def maps(rng):
    return rng.standard_normal((2, 3, 4, 6)).astype(np.float32)


def test_reflection_is_exact(maps):
    expected = np.pad(maps, ((0, 0), (0, 0), (3, 3), (3, 3)), mode="reflect")
    np.testing.assert_array_equal(reflect_pad(Tensor(maps), 3).asnumpy(), expected)


@pytest.mark.parametrize("size", [(9, 5), (4, 6), (1, 13), (2, 3)])
def test_resize_interpolates_between_the_centres_of_pixels(maps, size):
    expected = maps
    for axis, length in zip((2, 3), size, strict=True):
        step = maps.shape[axis] / length
        expected = oracles.interpolate(expected, axis, (np.arange(length) + 0.5) * step - 0.5)
    np.testing.assert_allclose(resize(Tensor(maps), *size).asnumpy(), expected, atol=1e-6)


@pytest.fixture(scope="module")
def golden():
    """torch's interpolate and adaptive_avg_pool2d."""
    with np.load(Path(__file__).parents[1] / "golden" / "resize_pool.npz") as file:
        return {name: file[name] for name in file.files}


@pytest.mark.parametrize("size", [(13, 9), (10, 14), (3, 4), (5, 7), (1, 1)])
def test_resize_is_torchs(golden, size):
    expected = golden[f"out_bilinear_{size[0]}x{size[1]}_centres"]
    maps = Tensor(golden["in_x"])
    np.testing.assert_allclose(resize(maps, *size).asnumpy(), expected, atol=1e-6)
    rows = resize_to_rows(maps, *size).asnumpy().reshape(2, *size, 3)
    np.testing.assert_allclose(rows.transpose(0, 3, 1, 2), expected, atol=1e-6)


@pytest.mark.parametrize("size", [1, 2, 3, 6])
def test_adaptive_pooling_is_torchs(golden, size):
    """Regions overlap where they do not divide the map, on a map of fewer pixels too."""
    out = adaptive_average_pool(Tensor(golden["in_x"]), size).asnumpy()
    np.testing.assert_allclose(out, golden[f"out_adaptive_{size}"], atol=1e-6)
    if size == 6:
        out = adaptive_average_pool(Tensor(golden["in_small"]), 6).asnumpy()
        np.testing.assert_allclose(out, golden["out_small_adaptive_6"], atol=1e-6)


def test_upsample_puts_a_pixel_in_the_middle_of_those_it_stands_for(maps):
    large = upsample(Tensor(maps), 3, 14, 18).asnumpy()
    np.testing.assert_allclose(large[:, :, 1:12:3, 1::3], maps, atol=1e-6)
    np.testing.assert_allclose(large[:, :, 12:], large[:, :, 11:12].repeat(2, 2), atol=1e-6)


@pytest.mark.parametrize("size", [(7, 11), (8, 12), (4, 6), (1, 13)])
def test_nearest_repeats_the_pixel_that_covers_the_beginning_of_each_target(maps, size):
    rows, columns = (np.arange(n) * m // n for n, m in zip(size, (4, 6), strict=True))
    expected = maps[:, :, rows][:, :, :, columns]
    np.testing.assert_array_equal(nearest(Tensor(maps), *size).asnumpy(), expected)


def test_constant_maps_stay_constant():
    ones = Tensor(np.ones((1, 1, 3, 2), np.float32))
    for out in (resize(ones, 7, 5), upsample(ones, 4, 13, 9), reflect_pad(ones, 2)):
        np.testing.assert_allclose(out.asnumpy(), 1, atol=1e-6)


@pytest.mark.parametrize("strided", [False, True])
def test_unfold_orders_channels_then_rows_then_columns(maps, strided):
    out = unfold(Tensor(maps), 3, strided).asnumpy()
    assert out.shape == (2, 27, 2, 4)
    for channel in range(3):
        for i in range(3):
            for j in range(3):
                neighbour = out[:, channel * 9 + i * 3 + j]
                np.testing.assert_array_equal(neighbour, maps[:, channel, i : i + 2, j : j + 4])


def test_pooling_averages_the_pixels_a_patch_has(maps):
    out = average_pool(Tensor(maps), 4).asnumpy()
    np.testing.assert_allclose(out[..., 0, 0], maps[..., :4].mean((2, 3)), atol=1e-6)
    np.testing.assert_allclose(out[..., 0, 1], maps[..., 4:].mean((2, 3)), atol=1e-6)


@pytest.mark.parametrize("box", [(3, 2, 1), (7, 4, 2), (2, 1, 0), (1, 1, 0)])
def test_boxes_average_with_the_zeros_around_a_map(maps, box):
    size, stride, padding = box
    padded = np.pad(maps, [(0, 0), (0, 0), (padding, padding), (padding, padding)])
    found = box_mean(Tensor(maps), *box).asnumpy()
    rows, columns = ((side - size) // stride + 1 for side in padded.shape[2:])
    assert found.shape[2:] == (rows, columns)
    for i in range(rows):
        for j in range(columns):
            part = padded[:, :, i * stride :, j * stride :][:, :, :size, :size]
            np.testing.assert_allclose(found[:, :, i, j], part.mean((2, 3)), atol=1e-6)


@pytest.mark.parametrize("ratio", [1, 2, 3])
def test_repeated_pixels_are_cut_to_size(maps, ratio):
    height, width = maps.shape[2] * ratio - (ratio > 1), maps.shape[3] * ratio - ratio // 2
    expected = maps.repeat(ratio, 2).repeat(ratio, 3)[:, :, :height, :width]
    found = repeat(Tensor(maps), ratio, height, width).asnumpy()
    np.testing.assert_array_equal(found, expected)
