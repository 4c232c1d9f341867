"""Whole small networks against mmdetection: maps, detections, masks and every loss."""

import numpy as np
import pytest
from mindspore import Tensor
from models.detection.golden_detectors import NAMES, golden_detector, inputs, targets
from models.detection.small_detector import Detect, Losses


@pytest.fixture(scope="module", params=NAMES)
def network(request):
    return golden_detector(request.param)


def test_detections_are_those_of_mmdetection(network, mode):
    detector, golden = network
    images, sizes = inputs(golden)
    boxes, scores, labels, masks = (each.asnumpy() for each in Detect(detector)(images, sizes))
    for image in range(2):
        np.testing.assert_array_equal(labels[image], golden_of(golden, f"labels{image}"))
        np.testing.assert_allclose(scores[image], golden_of(golden, f"scores{image}"), atol=1e-4)
        scale = np.tile(golden.meta["scale_factors"][image], 2)
        expected = golden_of(golden, f"boxes{image}") * scale
        np.testing.assert_allclose(boxes[image], expected, rtol=1e-4, atol=1e-3)
        # A box that is off by a thousandth of a pixel moves every sample of its mask.
        expected = golden_of(golden, f"mask_probs{image}")
        np.testing.assert_allclose(masks[image], expected, atol=1e-3)


def test_masks_of_given_boxes_are_those_of_mmdetection(network):
    detector, golden = network
    scales = golden.meta["scale_factors"]
    boxes = np.stack([golden_of(golden, f"boxes{i}") * np.tile(scales[i], 2) for i in range(2)])
    labels = np.stack([golden_of(golden, f"labels{i}") for i in range(2)])
    maps = detector.neck(detector.backbone(inputs(golden)[0]))[:-1]
    arguments = maps, Tensor(boxes.astype(np.float32)), Tensor(labels.astype(np.int32))
    each = [stage.masks(*arguments).sigmoid().asnumpy() for stage in detector.roi_head.stages]
    expected = np.stack([golden_of(golden, f"mask_probs{i}") for i in range(2)])
    np.testing.assert_allclose(np.mean(each, 0), expected, atol=1e-4)


def test_losses_are_those_of_mmdetection(network, mode):
    detector, golden = network
    images, sizes = inputs(golden)
    boxes, labels, masks = targets(golden)
    values = Losses(detector)(images, boxes, labels, sizes, masks)
    found = {
        name: float(value.asnumpy())
        for name, value in zip(detector.loss_names, values, strict=True)
    }
    total = found.pop("loss")
    assert total == pytest.approx(sum(found.values()), rel=1e-5)
    for name, value in found.items():
        expected = golden_of(golden, f"loss:{name.replace('_box', '_bbox')}")
        assert value == pytest.approx(float(np.ravel(expected)[0]), rel=1e-4), name


def golden_of(golden, name):
    """Return an output of the network whose RoIAlign has 2 x 2 samples per bin, as ours."""
    return vars(golden)[f"out_ratio2_{name}"]
