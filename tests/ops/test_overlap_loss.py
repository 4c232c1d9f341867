"""The generalised IoU loss against its definition."""

import mindspore as ms
import numpy as np
from mindspore import Tensor

from acmix.ops.overlap_loss import giou_loss


def giou_by_hand(a, b):
    side = np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])
    common = np.prod(np.maximum(side, 0))
    union = np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2]) - common
    hull = np.prod(np.maximum(a[2:], b[2:]) - np.minimum(a[:2], b[:2]))
    return 1 - common / union + (hull - union) / hull


def total_giou(a, b):
    return giou_loss(a, b).sum()


def test_giou_loss_and_its_gradient(mode):
    pairs = [
        ([0, 0, 4, 4], [1, 2, 6, 5]),
        ([0, 0, 2, 2], [7, 3, 9, 8]),
        ([1, 1, 2, 2], [0, 0, 9, 7]),
        ([8, 8, 9, 9], [8.25, 8, 9.5, 9.125]),
    ]
    a, b = (np.array(boxes, np.float32) for boxes in zip(*pairs, strict=True))
    losses = giou_loss(Tensor(a), Tensor(b)).asnumpy()
    np.testing.assert_allclose(losses, list(map(giou_by_hand, a, b)), rtol=1e-5)
    gradient = ms.grad(total_giou)
    slopes = (ms.jit(gradient) if mode == "graph" else gradient)(Tensor(a), Tensor(b)).asnumpy()
    step = 1e-6
    for row in range(3):  # those whose corners do not coincide
        for column in range(4):
            ends = [a[row].astype(np.float64) for _ in range(2)]
            ends[0][column] -= step
            ends[1][column] += step
            low, high = (giou_by_hand(end, b[row].astype(np.float64)) for end in ends)
            np.testing.assert_allclose(slopes[row, column], (high - low) / (2 * step), atol=1e-4)


def test_empty_boxes_have_a_finite_loss_and_gradient():
    empty = Tensor(np.array([[3, 3, 3, 3], [0, 0, 0, 0]], np.float32))
    assert np.isfinite(giou_loss(empty, empty).asnumpy()).all()
    slopes = ms.grad(total_giou)(empty, empty)
    assert np.isfinite(slopes.asnumpy()).all()
