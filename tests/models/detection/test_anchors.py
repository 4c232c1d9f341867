"""Anchors against mmdetection's published base anchors and a plain loop."""

import numpy as np
import pytest

from acmix.errors import UserError
from acmix.models.detection.anchors import AnchorGenerator


def test_base_anchors_of_stride_8_are_those_of_mmdetection():
    # The smallest square has sides of 4 * 8 = 32; ratio 1/2 makes it 32 * sqrt(2) = 45.2548 wide
    # and 22.6274 high; the scales grow by 2^(1/3) = 1.259921.
    expected = [
        [-22.6274, -11.3137, 22.6274, 11.3137],
        [-28.5088, -14.2544, 28.5088, 14.2544],
        [-35.9188, -17.9594, 35.9188, 17.9594],
        [-16.0000, -16.0000, 16.0000, 16.0000],
        [-20.1587, -20.1587, 20.1587, 20.1587],
        [-25.3984, -25.3984, 25.3984, 25.3984],
        [-11.3137, -22.6274, 11.3137, 22.6274],
        [-14.2544, -28.5088, 14.2544, 28.5088],
        [-17.9594, -35.9188, 17.9594, 35.9188],
    ]
    generator = AnchorGenerator((8,))
    assert generator.num_anchors == 9
    np.testing.assert_allclose(generator([(1, 1)]), expected, atol=5e-5)


def test_anchors_come_by_level_row_column_ratio_scale():
    strides, sizes, ratios = (4, 8), [(2, 3), (1, 2)], (0.5, 2)
    generator = AnchorGenerator(strides, base_scale=8, scales_per_octave=2, ratios=ratios)
    expected = []
    for stride, (height, width) in zip(strides, sizes, strict=True):
        for y in range(height):
            for x in range(width):
                for ratio in ratios:
                    for scale in (8, 8 * 2**0.5):
                        w = stride * scale / ratio**0.5
                        h = w * ratio
                        cx, cy = x * stride, y * stride
                        expected.append([cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2])
    anchors = generator(sizes)
    assert anchors.dtype == np.float32
    assert generator.num_anchors == 4
    np.testing.assert_allclose(anchors, expected, rtol=1e-5)


def test_number_of_anchors_at_the_size_of_the_paper():
    sizes = [(100, 168), (50, 84), (25, 42), (13, 21), (7, 11)]
    anchors = AnchorGenerator((8, 16, 32, 64, 128))(sizes)
    assert anchors.shape == (9 * sum(height * width for height, width in sizes), 4)


def test_ratio_is_height_over_width_at_equal_area():
    x1, y1, x2, y2 = AnchorGenerator((16,), scales_per_octave=1, ratios=(0.25, 1, 3))([(1, 1)]).T
    np.testing.assert_allclose((y2 - y1) / (x2 - x1), [0.25, 1, 3], rtol=1e-6)
    np.testing.assert_allclose((y2 - y1) * (x2 - x1), 64**2, rtol=1e-6)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"strides": ()}, "strides must be positive numbers, at least one"),
        ({"strides": (8, 0)}, "strides must be positive"),
        ({"strides": (8,), "ratios": (1, -1)}, "ratios must be positive"),
        ({"strides": (8,), "base_scale": 0}, "base_scale must be positive, got 0"),
        ({"strides": (8,), "scales_per_octave": 0}, "scales_per_octave must be at least 1, got 0"),
    ],
)
def test_impossible_anchors_are_refused(arguments, message):
    with pytest.raises(UserError, match=message):
        AnchorGenerator(**arguments)


def test_one_size_per_level_is_required():
    with pytest.raises(UserError, match="per level, 2, got"):
        AnchorGenerator((8, 16))([(4, 4)])
