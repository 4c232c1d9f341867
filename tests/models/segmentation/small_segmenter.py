"""Both segmenters on every family in a size that compiles in seconds, and a batch for them."""

from __future__ import annotations

import numpy as np
from mindspore import Tensor
from models import shrunk

from acmix.layers.full_precision import FullPrecision
from acmix.models.registry import split_name
from acmix.models.segmentation import IGNORED, create_segmenter

NUM_CLASSES = 5
HEADS = {
    "semantic_fpn": {"neck_channels": 8, "channels": 6},
    "upernet": {"channels": 6, "auxiliary_channels": 4},
}


def small_segmenter(name="semantic_fpn_resnet26", body=None, **changes):
    head, backbone = split_name("segmenters", name)
    body = {**shrunk.arguments(backbone), **(body or {})}
    body.setdefault("out_indices", tuple(range(-len(body["depths"]), 0)))
    return create_segmenter(
        name, **{"num_classes": NUM_CLASSES, "backbone": body, **HEADS[head], **changes}
    )


class Losses(FullPrecision):
    def __init__(self, segmenter):
        super().__init__(auto_prefix=False)
        self.segmenter = segmenter

    def construct(self, images, labels):
        return self.segmenter.losses(images, labels)


class Labels(FullPrecision):
    def __init__(self, segmenter):
        super().__init__(auto_prefix=False)
        self.segmenter = segmenter

    def construct(self, images):
        return self.segmenter.labels(images)


class Segment(FullPrecision):
    def __init__(self, segmenter):
        super().__init__(auto_prefix=False)
        self.segmenter = segmenter

    def construct(self, images):
        return self.segmenter.segment(images)


def batch(rng, height=45, width=70):
    """Two images; the first rows of the labels and one whole corner are ignored."""
    images = rng.standard_normal((2, 3, height, width)).astype(np.float32)
    labels = rng.integers(0, NUM_CLASSES, (2, height, width)).astype(np.int32)
    labels[:, :3] = IGNORED
    labels[1, 10:, 20:] = IGNORED
    return Tensor(images), Tensor(labels)
