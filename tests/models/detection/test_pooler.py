"""RoIAlign on a pyramid against bilinear sampling in loops."""

import mindspore as ms
import numpy as np
import oracles_detection as oracles
import pytest
from mindspore import Tensor

from acmix.errors import UserError
from acmix.models.detection import pooler
from acmix.models.detection.pooler import MultiLevelPooler

# Of a 48 x 36 image whose finest map has a stride of 4.
ONE_LEVEL = [
    [10, 6, 40, 30],
    [0, 0, 48, 36],
    [-20, -10, 20, 30],  # over the upper left border
    [30, 20, 90, 70],  # over the lower right border
    [5, 5, 6, 6],  # one pixel
    [21.3, 17.2, 21.5, 17.5],  # a part of a pixel
    [7, 7, 7, 7],
    [0, 0, 0, 0],  # padding
    [20, 20, 10, 10],  # corners in the wrong order
    [47, 35, 55, 60],
    [-90, -90, -60, -60],  # outside
]


@pytest.fixture
def maps(rng):
    return rng.standard_normal((2, 3, 9, 12)).astype(np.float32)


def pooled_by_loops(maps, boxes, stride, size, samples):
    return np.array(
        [
            [oracles.roi_align(own, box, stride, size, samples) for box in image]
            for own, image in zip(maps.astype(np.float64), boxes, strict=True)
        ]
    )


@pytest.mark.parametrize(("size", "samples"), [(2, 2), (3, 1)])
def test_one_level_is_roi_align(mode, maps, size, samples):
    boxes = np.array([ONE_LEVEL, ONE_LEVEL[::-1]], np.float32)
    pooled = MultiLevelPooler(size, (4,), samples)((Tensor(maps),), Tensor(boxes)).asnumpy()
    expected = pooled_by_loops(maps, boxes, 4, size, samples)
    np.testing.assert_allclose(pooled, expected, atol=1e-5)


def test_pixels_are_centred_at_half_coordinates():
    ramp = np.arange(8, dtype=np.float32) * 4 + 2  # the x of the centres of the pixels
    maps = np.broadcast_to(ramp, (1, 1, 8, 8)).copy()
    boxes = np.array([[[8, 8, 16, 16]]], np.float32)
    pooled = MultiLevelPooler(2, (4,))((Tensor(maps),), Tensor(boxes)).asnumpy()
    np.testing.assert_allclose(pooled[0, 0, 0], [[10, 14], [10, 14]], atol=1e-5)


def test_boxes_go_to_the_level_of_their_size(mode):
    sides = [(223.9, 223.9), (224, 224), (112, 112), (111.9, 112), (448, 448), (447, 448),
             (112, 448), (30, 30), (5000, 5000), (0, 0)]  # fmt: skip
    boxes = np.array([[[0, 0, *side] for side in sides]], np.float32)
    strides = (4, 8, 16, 32)
    maps = tuple(Tensor(np.full((1, 1, 40, 40), level, np.float32)) for level in (2, 3, 4, 5))
    pooled = MultiLevelPooler(1, strides)(maps, Tensor(boxes)).asnumpy().reshape(-1)
    inside = pooled[:-2]
    expected = [np.clip(oracles.pyramid_level(box), 2, 5) for box in boxes[0]]
    assert expected == [3, 4, 3, 2, 5, 4, 4, 2, 5, 2]
    np.testing.assert_allclose(inside, expected[:-2], atol=1e-5)
    assert pooled[-1] == 2
    assert 0 < pooled[-2] < 5  # of the coarsest map, but mostly outside of it


def test_every_box_reads_its_own_level_of_its_own_image(rng):
    maps = [rng.standard_normal((2, 2, 160 // s, 240 // s)).astype(np.float32) for s in (8, 16)]
    boxes = np.array(
        [
            [[10, 20, 70, 90], [0, 0, 239, 221], [-50, -70, 210, 158], [3, 3, 4, 4]],
            [[0, 0, 260, 260], [100, 20, 130, 40], [0, 0, 0, 0], [9.5, 8, 230, 159]],
        ],
        np.float32,
    )
    pooled = MultiLevelPooler(2, (8, 16))(tuple(map(Tensor, maps)), Tensor(boxes)).asnumpy()
    by_level = [
        pooled_by_loops(level, boxes, stride, 2, 2)
        for level, stride in zip(maps, (8, 16), strict=True)
    ]
    coarse = np.array([[oracles.pyramid_level(box) >= 4 for box in image] for image in boxes])
    assert coarse.sum() == 3
    expected = np.where(coarse[..., None, None, None], by_level[1], by_level[0])
    np.testing.assert_allclose(pooled, expected, atol=1e-5)


def test_gradient_reaches_the_pixels_that_were_read(mode, rng):
    shapes = [(1, 2, 9, 12), (1, 2, 5, 6)]
    maps = [rng.standard_normal(shape).astype(np.float32) for shape in shapes]
    boxes = np.array([[*ONE_LEVEL, [-40, -60, 240, 230], [0, 0, 300, 200]]], np.float32)
    pooler = MultiLevelPooler(2, (4, 16))
    cotangent = rng.standard_normal((1, len(boxes[0]), 2, 2, 2)).astype(np.float32)

    def weighted_sum(fine, coarse, boxes, cotangent):
        return (pooler((fine, coarse), boxes) * cotangent).sum()

    gradient = ms.grad(weighted_sum, (0, 1))
    gradient = ms.jit(gradient) if mode == "graph" else gradient
    gradients = gradient(*map(Tensor, (*maps, boxes, cotangent)))
    coarse = np.array([oracles.pyramid_level(box) >= 4 for box in boxes[0]])
    # Pooling is linear: its derivative along a direction is the pooled direction.
    for level, (slope, stride) in enumerate(zip(gradients, (4, 16), strict=True)):
        direction = rng.standard_normal(shapes[level])
        pooled = pooled_by_loops(direction, boxes, stride, 2, 2)
        pooled[:, coarse != bool(level)] = 0
        expected = (pooled * cotangent).sum()
        np.testing.assert_allclose((slope.asnumpy() * direction).sum(), expected, rtol=1e-4)


def test_half_precision_maps_keep_the_position_of_their_boxes(maps):
    boxes = np.array([ONE_LEVEL, ONE_LEVEL], np.float32) + np.float32(0.03)
    half = maps.astype(np.float16)
    pooled = MultiLevelPooler(2, (4,))((Tensor(half),), Tensor(boxes))
    assert pooled.dtype == ms.float16
    expected = pooled_by_loops(half, boxes, 4, 2, 2)
    np.testing.assert_allclose(pooled.asnumpy(), expected, atol=2e-3)


def test_many_boxes_are_pooled_in_parts(mode, maps, monkeypatch):
    boxes = np.array([ONE_LEVEL, ONE_LEVEL[::-1]], np.float32)
    expected = pooled_by_loops(maps, boxes, 4, 2, 2)
    monkeypatch.setattr(pooler, "_LARGEST_COPY", 4 * 2 * 3 * 8**2)  # four boxes of two images
    pooled = MultiLevelPooler(2, (4,))((Tensor(maps),), Tensor(boxes)).asnumpy()
    np.testing.assert_allclose(pooled, expected, atol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0, (4,)), "output_size must be at least 1, got 0"),
        ((7, (4,), 0), "sampling_ratio must be at least 1, got 0"),
        ((7, ()), "strides must be positive and grow"),
        ((7, (8, 4)), "strides must be positive and grow"),
        ((7, (4, 4)), "strides must be positive and grow"),
        ((7, (0, 4)), "strides must be positive and grow"),
    ],
)
def test_impossible_poolers_are_refused(arguments, message):
    with pytest.raises(UserError, match=message):
        MultiLevelPooler(*arguments)
