"""Mask R-CNN of torchvision: its weights in our heads give what its own inference gave.

Its network differs in anchors and RoIAlign, which are redone here; see docs/weights.md.
"""

from __future__ import annotations

import re
from types import SimpleNamespace

import mindspore as ms
import numpy as np
import pytest
from export.random_weights import draw_anew
from golden_arrays import load
from mindspore import Tensor, nn

from acmix.convert import (
    count_classes,
    describe_head,
    load_torch_state,
    official_state,
    torch_state,
)
from acmix.models.detection import BoxCoder, MaskRCNN, create_detector
from acmix.models.resnet import ResNet
from acmix.utils.modes import execution_mode

CHANNELS = (8, 12, 16, 24)
"""Of the body's maps."""


class Convs(ResNet):
    """The file's body: a convolution for each stage, with the names of a ResNet."""

    def __init__(self):
        nn.Cell.__init__(self)
        self.out_indices = (0, 1, 2, 3)
        self.stages = nn.CellList()
        before, stride = 3, 4
        for channels in CHANNELS:
            kernel, padding = (4, 0) if stride == 4 else (3, 1)
            layer = nn.Conv2d(before, channels, kernel, stride, "pad", padding, has_bias=True)
            self.stages.append(nn.SequentialCell([layer, nn.ReLU()]))
            before, stride = channels, 2

    @property
    def feature_info(self):
        return [SimpleNamespace(channels=c, reduction=4 * 2**i) for i, c in enumerate(CHANNELS)]

    def construct(self, x):
        maps = ()
        for stage in self.stages:
            x = stage(x)
            maps += (x,)
        return maps


@pytest.fixture(scope="module")
def golden():
    return load("mask_rcnn_torchvision")


@pytest.fixture(scope="module")
def network(golden):
    model = MaskRCNN(
        Convs(), golden.meta["num_classes"], channels=16, fc_channels=32, mask_channels=16
    )
    report = load_torch_state(model, golden.state)
    assert "the names of torchvision's Mask R-CNN recognised" in str(report)
    assert all(name.endswith("random_state") for name in report.kept)
    return model.set_train(False)


@pytest.fixture(scope="module", params=[0, 1])
def outputs(request, golden, network):
    """An image's place, its maps, and logits and deltas of its anchors, level by level."""
    own = getattr(golden, f"in_image{request.param}")
    padded = np.zeros((1, 3, *golden.meta["padded_to"]), np.float32)
    padded[0, :, : own.shape[1], : own.shape[2]] = (own - 0.5) / 0.25
    with execution_mode(ms.PYNATIVE_MODE):
        maps, logits, deltas = network.predict(Tensor(padded))
    return request.param, maps, logits, deltas


def rounded_anchors(side):
    every = []
    for level, size in enumerate((16, 32, 64, 128, 256)):
        stride = 4 * 2**level
        roots = np.sqrt([0.5, 1, 2])
        widths, heights = size / roots, size * roots
        cell = np.round(np.stack([-widths, -heights, widths, heights], 1) / 2)
        y, x = np.meshgrid(*[np.arange(-(-side // stride)) * stride] * 2, indexing="ij")
        every.append((np.stack([x, y, x, y], -1).reshape(-1, 1, 4) + cell).reshape(-1, 4))
    return np.concatenate(every).astype(np.float32)


def unaligned(boxes):
    """Return boxes (R, 4) where RoIAlign looks that is not "aligned": (1, R, 4).

    It is half a location to the right and down, and at least one wide and high. All boxes of the
    file are on the finest map, of stride 4.
    """
    start, end = boxes[:, :2], boxes[:, 2:]
    return Tensor(np.concatenate([start, np.maximum(end, start + 4)], 1)[None] + np.float32(2))


def test_every_proposal_is_an_anchors_box(outputs, golden):
    image, _, logits, deltas = outputs
    height, width = golden.meta["images"][image]
    with execution_mode(ms.PYNATIVE_MODE):
        boxes = BoxCoder().decode(deltas[0], Tensor(rounded_anchors(128))).asnumpy()
    boxes = np.clip(boxes, 0, [width, height, width, height])
    scores = logits.asnumpy()[0]
    found = []
    for expected in getattr(golden, f"out_proposals{image}"):
        distance = np.abs(boxes - expected).max(1)
        assert distance.min() < 2e-3
        found.append(scores[distance.argmin()])
    assert (np.diff(found) < 1e-5).all()  # best first, so the logits are the file's, too


def test_scores_and_boxes_are_those_of_torchvision(outputs, golden, network):
    """A wrong place of the background would give every class the scores of another."""
    image, maps, _, _ = outputs
    height, width = golden.meta["images"][image]
    proposals = getattr(golden, f"out_proposals{image}")
    head = network.roi_head.stages[0]
    with execution_mode(ms.PYNATIVE_MODE):
        logits, deltas = head(maps[:-1], unaligned(proposals))
        by_class = deltas.reshape((*deltas.shape[:2], -1, 4))
        start = Tensor(proposals[None, :, None])
        boxes = head.box_head.coder.decode(by_class, start).asnumpy()[0]
    exponents = np.exp(logits.asnumpy()[0])
    scores = exponents / exponents.sum(1, keepdims=True)
    boxes = np.clip(boxes, 0, [width, height, width, height])
    for box, score, label in zip(
        *(getattr(golden, f"out_{name}{image}") for name in ("boxes", "scores", "labels")),
        strict=True,
    ):
        distance = np.abs(boxes[:, label - 1] - box).max(1)
        assert distance.min() < 2e-3
        assert scores[distance.argmin(), label - 1] == pytest.approx(score, abs=1e-4)


def test_masks_are_those_of_torchvision(outputs, golden, network):
    image, maps, _, _ = outputs
    boxes = unaligned(getattr(golden, f"out_boxes{image}"))
    labels = getattr(golden, f"out_labels{image}")[None] - 1
    with execution_mode(ms.PYNATIVE_MODE):
        logits = network.roi_head.stages[0].masks(maps[:-1], boxes, Tensor(labels))
        found = logits.sigmoid().asnumpy()[0]
    np.testing.assert_allclose(found, getattr(golden, f"out_mask_probs{image}"), atol=1e-4)


def older(name):
    """Name a tensor as torchvision before 0.13 does, and its published files still do."""
    parts = name.split(".")
    if name.startswith(("backbone.fpn", "rpn.head.conv")):
        return ".".join([*parts[: 4 - ("rpn" in name)], parts[-1]])
    if name.startswith("roi_heads.mask_head"):
        return f"roi_heads.mask_head.mask_fcn{int(parts[2]) + 1}.{parts[-1]}"
    return name


def test_names_of_earlier_versions(golden):
    state = {older(name): value for name, value in golden.state.items()}
    assert "backbone.fpn.inner_blocks.0.weight" in state
    assert "rpn.head.conv.weight" in state
    assert "roi_heads.mask_head.mask_fcn1.bias" in state
    old, new = (official_state(MaskRCNN, each, ResNet).state for each in (state, golden.state))
    assert old.keys() == new.keys()
    assert all(np.array_equal(old[name], new[name]) for name in new)
    assert count_classes(MaskRCNN, new, ResNet) == 4


TORCHVISION = {
    r"^backbone\.": "backbone.body.",
    r"^neck\.lateral_convs\.(\d)\.conv": r"backbone.fpn.inner_blocks.\1.0",
    r"^neck\.fpn_convs\.(\d)\.conv": r"backbone.fpn.layer_blocks.\1.0",
    r"^rpn_head\.rpn_conv": "rpn.head.conv.0.0",
    r"^rpn_head\.rpn_cls": "rpn.head.cls_logits",
    r"^rpn_head\.rpn_reg": "rpn.head.bbox_pred",
    r"^roi_head\.bbox_head\.shared_fcs\.0": "roi_heads.box_head.fc6",
    r"^roi_head\.bbox_head\.shared_fcs\.1": "roi_heads.box_head.fc7",
    r"^roi_head\.bbox_head\.fc_cls": "roi_heads.box_predictor.cls_score",
    r"^roi_head\.bbox_head\.fc_reg": "roi_heads.box_predictor.bbox_pred",
    r"^roi_head\.mask_head\.convs\.(\d)\.conv": r"roi_heads.mask_head.\1.0",
    r"^roi_head\.mask_head\.upsample": "roi_heads.mask_predictor.conv5_mask",
    r"^roi_head\.mask_head\.conv_logits": "roi_heads.mask_predictor.mask_fcn_logits",
}


def to_torchvision(name, value):
    """Name a tensor as torchvision does, and put the background in front."""
    for pattern, replacement in TORCHVISION.items():
        name, changed = re.subn(pattern, replacement, name)
        if changed:
            break
    if "cls_score" in name:
        value = np.roll(value, 1, 0)
    elif "box_predictor.bbox_pred" in name or "mask_fcn_logits" in name:
        rows = 4 if "bbox_pred" in name else 1
        value = np.concatenate([np.full((rows, *value.shape[1:]), 7, np.float32), value])
    return name, value


def test_every_tensor_of_a_resnet_with_heads():
    body = {"width": 8, "depths": (1, 1, 1, 1)}
    arguments = {"backbone": body, "channels": 4, "fc_channels": 6, "mask_channels": 4}
    network = create_detector("mask_rcnn_resnet50", 3, **arguments)
    expected = torch_state(draw_anew(network, np.random.default_rng(0)))
    state = dict(to_torchvision(*item) for item in expected.items())
    assert "backbone.body.layer4.0.downsample.1.running_var" in state
    load_torch_state(network, {name: value * 0 for name, value in expected.items()})
    load_torch_state(network, state)
    found = torch_state(network)
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value, err_msg=name)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["roi_heads.box_predictor.cls_score.weight", "roi_heads.box_head.0.0.weight"], "v2"),
        (["backbone.body.conv1.weight", "head.classification_head.cls_logits.bias"], "RetinaNet"),
        (["backbone.bottom_up.res2.0.conv1.weight", "roi_heads.box_head.fc1.weight"], "detectron2"),
    ],
)
def test_others_are_named_but_not_read(names, message):
    state = {name: np.ones((3, 3), np.float32) for name in names}
    assert official_state(MaskRCNN, state, ResNet).state.keys() == state.keys()
    assert message in describe_head(state)
    assert "which is not read: " in describe_head(state)
