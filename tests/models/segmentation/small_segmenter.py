"""Both segmenters on every family in a size that compiles in seconds, and a batch for them."""

from __future__ import annotations

import numpy as np
from mindspore import Tensor, nn
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
    body = {**shrunk.shallow(backbone), **(body or {})}
    body.setdefault("out_indices", tuple(range(-shrunk.stages(body), 0)))
    return create_segmenter(
        name, **{"num_classes": NUM_CLASSES, "backbone": body, **HEADS[head], **changes}
    )


class Given(nn.Cell):
    """In place of a backbone: maps that are there already, whatever the images."""

    def __init__(self, maps, backbone):
        super().__init__(auto_prefix=False)
        self.maps = maps
        self.feature_info, self.out_indices = backbone.feature_info, backbone.out_indices

    def construct(self, images):
        return self.maps


def on_given_maps(segmenter, rng, height=45, width=70):
    """Give a segmenter random maps, as its backbone would make of two images."""
    shapes = [
        (2, stage.channels, -(-height // stage.reduction), -(-width // stage.reduction))
        for stage in segmenter.backbone.feature_info
    ]
    maps = tuple(Tensor(rng.standard_normal(shape).astype(np.float32)) for shape in shapes)
    segmenter.backbone = Given(maps, segmenter.backbone)
    return segmenter


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
