"""Resized images and boxes of the software NPU against MindSpore's CPU operators and loops."""

import mindspore as ms
import numpy as np
import pytest
from calls import aclnn, aclop
from mindspore import ops
from oracle import close, gradients, randn, values

SIZES = [(5, 11), (8, 4), (1, 1), (4, 6)]
WORDS = {  # how corners and centres lie
    "corners": dict(align_corners=True, half_pixel_centers=False),
    "centres": dict(align_corners=False, half_pixel_centers=True),
    "starts": dict(align_corners=False, half_pixel_centers=False),
}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("words", WORDS.values(), ids=WORDS)
def test_bilinear_sizes_and_their_gradients(size, words):
    x = randn(2, 3, 8, 6)[:, :, ::2]  # a view

    def function(x):
        return ops.ResizeBilinearV2(**words)(x, size)

    own = np.ascontiguousarray(x)
    wanted = values(function, own)
    y, gradient, found = np.zeros_like(wanted), randn(*wanted.shape, seed=1), np.zeros_like(own)
    of_x = gradients(function, gradient, own)[0]
    aclop("ResizeBilinearV2", {"x": x, "size": np.array(size, np.int32)}, {"y": y}, **words)
    close(y, wanted)
    inputs = {"grads": gradient, "original_image": x}
    aclop("ResizeBilinearV2Grad", inputs, {"y": found}, **words)
    close(found, of_x)
    if words is not WORDS["starts"]:
        y[...], found[...] = 0, 0
        corners = words["align_corners"]
        aclnn("aclnnUpsampleBilinear2d", x, list(size), corners, 0.0, 0.0, y)
        close(y, wanted)
        plain = list(size), list(x.shape), corners, 0.0, 0.0
        aclnn("aclnnUpsampleBilinear2dBackwardV2", gradient, *plain, found)
        close(found, of_x)


def test_a_scale_goes_before_the_ratio_of_sizes():
    x, y = randn(1, 1, 1, 5), np.zeros((1, 1, 1, 9), np.float32)
    aclnn("aclnnUpsampleBilinear2d", x, [1, 9], False, 0.0, 2.0, y)
    for i, place in enumerate(np.maximum((np.arange(9) + 0.5) / 2 - 0.5, 0)):
        below, share = int(place), place % 1
        after = x[0, 0, 0, min(below + 1, 4)]
        np.testing.assert_allclose(
            y[0, 0, 0, i], (1 - share) * x[0, 0, 0, below] + share * after, rtol=1e-5
        )


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("corners", [False, True])
def test_nearest_sizes_and_their_gradients(size, corners):
    x = randn(2, 3, 4, 6).astype(np.float16)

    def function(x):
        return ops.auto_generate.ResizeNearestNeighborV2(corners, False)(x, size)

    exact = x.astype(np.float32)
    wanted = values(function, exact)
    y, found = np.zeros_like(wanted, np.float16), np.zeros_like(exact)
    gradient = randn(*wanted.shape, seed=1)
    of_x = gradients(function, gradient, exact)[0]
    words, count = dict(align_corners=corners), np.array(size, np.int32)
    aclop("ResizeNearestNeighborV2", {"x": x, "size": count}, {"y": y}, **words)
    np.testing.assert_array_equal(y, wanted)
    inputs = {"grads": gradient, "size": np.array(x.shape[2:], np.int32)}
    aclop("ResizeNearestNeighborV2Grad", inputs, {"y": found}, **words)
    close(found, of_x)
    if not corners:
        y[...], found[...] = 0, 0
        aclnn("aclnnUpsampleNearest2d", x, list(size), y)
        np.testing.assert_array_equal(y, wanted)
        plain = list(size), list(x.shape), 0.0, 0.0
        aclnn("aclnnUpsampleNearest2dBackward", gradient, *plain, found)
        close(found, of_x)


def boxes(count, seed=0, size=20.0):
    """Return boxes (count, 4) with corners in order."""
    corners = np.random.RandomState(seed).rand(count, 2, 2) * size
    return np.concatenate([corners.min(1), corners.max(1)], 1).astype(np.float32)


def test_suppression():
    own = boxes(60)
    falling = np.arange(60, 0, -1, dtype=np.float32)[:, None]
    given = np.concatenate([own, falling], 1)
    selected, places = np.zeros_like(given), np.zeros(60, np.int32)
    for kind in (np.bool_, np.uint8):
        mask = np.zeros(60, kind)
        outputs = {"selected_boxes": selected, "selected_idx": places, "selected_mask": mask}
        aclop("NMSWithMask", {"box_scores": given}, outputs, iou_threshold=0.3)
        wanted = values(ops.NMSWithMask(0.3), given)
        np.testing.assert_array_equal(mask.astype(bool), wanted[2])
        np.testing.assert_array_equal(selected, given)
        assert places.tolist() == list(range(60))
        assert 5 < mask.sum() < 55


def test_suppression_takes_boxes_as_they_come_and_equality_suffices_not():
    given = np.array(
        [[0, 0, 4, 4, 0.1], [0, 0, 4, 2, 0.9], [0, 0, 4, 3, 0.5], [5, 5, 5, 5, 0.2]], np.float32
    )
    selected, places, mask = np.zeros_like(given), np.zeros(4, np.int32), np.zeros(4, np.bool_)
    outputs = {"selected_boxes": selected, "selected_idx": places, "selected_mask": mask}
    aclop("NMSWithMask", {"box_scores": given}, outputs, iou_threshold=0.5)
    assert mask.tolist() == [True, True, False, True]  # IoU with the first: 1/2, 3/4, 0


@pytest.mark.parametrize("mode", ["iou", "iof"])
def test_overlaps(mode):
    first, second, y = boxes(4), boxes(3, 1), np.zeros((3, 4), np.float32)
    aclop("Iou", {"bboxes": first, "gtboxes": second}, {"overlap": y}, mode=mode, eps=1.0)
    ms.set_context(mode=ms.PYNATIVE_MODE)
    wanted = values(lambda a, b: ops.iou(a, b, mode), first, second)
    close(y, wanted)
    with pytest.raises(AssertionError, match="mode giou is not known"):
        aclop("Iou", {"bboxes": first, "gtboxes": second}, {"overlap": y}, mode="giou")


@pytest.mark.parametrize(("samples", "end"), [(2, 1), (3, 1), (2, 0)])
def test_regions_of_interest_and_their_gradient(samples, end):
    x = randn(2, 3, 9, 8)
    rois = np.concatenate([np.array([[0], [1], [1], [0]]), boxes(4)], 1).astype(np.float32)
    rois[3, 1:] = [-9, -9, 40, 40]  # reaches beyond the image
    function = ops.ROIAlign(2, 3, 0.5, samples, end)
    wanted = values(function, x, rois)
    y, gradient, found = np.zeros_like(wanted), randn(*wanted.shape, seed=1), np.zeros_like(x)
    words = dict(pooled_height=2, pooled_width=3, spatial_scale=0.5, sample_num=samples)
    words["roi_end_mode"] = end
    aclop("ROIAlign", {"features": x, "rois": rois}, {"y": y}, **words)
    close(y, wanted)
    words["xdiff_shape"] = list(x.shape)
    aclop("ROIAlignGrad", {"ydiff": gradient, "rois": rois}, {"xdiff": found}, **words)
    if end == 1:  # MindSpore gives its gradient no mode, which means 1
        close(found, gradients(lambda x: function(x, ms.Tensor(rois)), gradient, x)[0])
    else:  # linear in x, hence <y(x), g> = <x, gradient(g)>
        np.testing.assert_allclose((found * x).sum(), (gradient * wanted).sum(), rtol=1e-4)
