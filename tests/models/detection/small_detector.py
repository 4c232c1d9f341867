"""Detectors on every family in a size that compiles in seconds, and a batch for them."""

from __future__ import annotations

import numpy as np
from mindspore import Tensor
from models import shrunk

from acmix.layers.full_precision import FullPrecision
from acmix.models.detection import create_detector

NUM_CLASSES = 4


def small_detector(backbone="resnet26", body=None, **changes):
    body = {**shrunk.arguments(backbone), **(body or {})}
    body.setdefault("out_indices", (-3, -2, -1)[-shrunk.stages(body) :])
    arguments = {
        "num_classes": NUM_CLASSES,
        "channels": 8,
        "num_levels": max(4, len(body["out_indices"])),
        "num_convs": 1,
        "backbone": body,
    }
    return create_detector(f"retinanet_{backbone}", **{**arguments, **changes})


def small_two_stage(head="mask_rcnn", backbone="resnet26", body=None, **changes):
    body = {**shrunk.arguments(backbone), **(body or {})}
    body["out_indices"] = tuple(range(shrunk.stages(body)))
    arguments = {
        "num_classes": NUM_CLASSES,
        "channels": 8,
        "fc_channels": 8,
        "mask_convs": 1,
        "mask_channels": 8,
        "samples": 16,
        "rpn_samples": 16,
        "top_k": 20,
        "training_top_k": 20,
        "proposals": 10,
        "training_proposals": 10,
        "backbone": body,
    }
    if head == "cascade_mask_rcnn":
        arguments["box_convs"] = 1
    return create_detector(f"{head}_{backbone}", **{**arguments, **changes})


class Losses(FullPrecision):
    def __init__(self, detector):
        super().__init__(auto_prefix=False)
        self.detector = detector

    def construct(self, images, boxes, labels, sizes, masks=None):
        return self.detector.losses(images, boxes, labels, sizes, masks)


class Detect(FullPrecision):
    def __init__(self, detector):
        super().__init__(auto_prefix=False)
        self.detector = detector

    def construct(self, images, sizes=None):
        return self.detector.detect(images, sizes)


def batch(rng, height=96, width=130, num_boxes=3):
    """Two images, the second without any object; one place of the first is padding."""
    images = rng.standard_normal((2, 3, height, width)).astype(np.float32)
    boxes, labels = np.zeros((2, num_boxes, 4), np.float32), np.full((2, num_boxes), -1, np.int32)
    boxes[0, 0], labels[0, 0] = (10, 8, 60, 70), 2
    if num_boxes > 1:
        boxes[0, 1], labels[0, 1] = (50.5, 20.25, 90, 44), 0
    sizes = np.array([(height, width)] * 2, np.float32)
    return tuple(map(Tensor, (images, boxes, labels, sizes)))


def masks_for(boxes, rng, side=28):
    """Return random crops (B, M, side, side) of masks for boxes (B, M, 4)."""
    return Tensor(rng.integers(2, size=(*boxes.shape[:2], side, side), dtype=np.uint8) * 255)
