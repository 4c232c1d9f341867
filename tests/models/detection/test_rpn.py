"""Region proposals and their losses are mmdetection's."""

import json
from pathlib import Path

import mindspore as ms
import numpy as np
import pytest
from mindspore import Tensor, ops

from acmix.errors import UserError
from acmix.models.detection.anchors import AnchorGenerator
from acmix.models.detection.coder import BoxCoder
from acmix.models.detection.matcher import Matcher
from acmix.models.detection.rpn import ProposalRule, RPNHead, RPNLoss
from acmix.models.detection.sampler import BalancedSampler
from acmix.ops.boxes import clip_to_sizes
from acmix.utils.parameters import set_value

LEVELS = range(5)
SCALE = 0.3  # the golden file's deltas against the head's output
MATCHER = Matcher(0.7, 0.3, boxes_claim=True, low_quality=0.3)


@pytest.fixture(scope="module")
def golden():
    with np.load(Path(__file__).parents[2] / "golden" / "rpn.npz") as file:
        return {name: file[name] for name in file.files}


@pytest.fixture(scope="module")
def meta(golden):
    return json.loads(str(golden["meta"]))


def head_of(golden):
    head = RPNHead(8, 3)
    for parameter in head.get_parameters():
        set_value(parameter, golden[f"p:{parameter.name}"])
    return head


def joined(golden, name, size):
    """All levels of a golden output as ``RPNHead`` gives it."""
    maps = [golden[f"out_{name}{level}"] for level in LEVELS]
    rows = [x.transpose(0, 2, 3, 1).reshape(len(x), -1, size) for x in maps]
    return np.concatenate(rows, 1)


def maps_of(golden):
    return tuple(Tensor(golden[f"in_map{level}"]) for level in LEVELS)


def outputs(golden):
    return Tensor(joined(golden, "logits", 1)[..., 0]), Tensor(joined(golden, "deltas", 4))


def anchors_of(golden, meta):
    sizes = [golden[f"in_map{level}"].shape[2:] for level in LEVELS]
    generator = AnchorGenerator(meta["strides"], meta["scales"][0], 1)
    counts = tuple(height * width * generator.num_anchors for height, width in sizes)
    return generator(sizes), counts


def test_head(golden, mode):
    logits, deltas = head_of(golden)(maps_of(golden))
    np.testing.assert_allclose(logits.asnumpy(), joined(golden, "logits", 1)[..., 0], atol=1e-5)
    expected = joined(golden, "deltas", 4)
    np.testing.assert_allclose(SCALE * deltas.asnumpy(), expected, atol=1e-5)


def test_anchors(golden, meta):
    anchors, _ = anchors_of(golden, meta)
    expected = np.concatenate([golden[f"out_anchors{level}"] for level in LEVELS])
    np.testing.assert_allclose(anchors, expected, atol=1e-5)


def test_proposals(golden, meta, mode):
    anchors, counts = anchors_of(golden, meta)
    config = meta["test_cfg"]
    rule = ProposalRule(config["nms_pre"], config["nms"]["iou_threshold"], config["max_per_img"])
    sizes = Tensor(np.array(meta["images"], np.int32))

    def propose(logits, deltas):
        return rule(logits, deltas, Tensor(anchors), counts, BoxCoder(), sizes, 128)

    propose = ms.jit(propose) if mode == "graph" else propose
    boxes, valid = propose(*outputs(golden))
    assert valid.asnumpy().all()
    for image in (0, 1):
        expected = golden[f"out_proposals{image}"][:, :4]
        np.testing.assert_allclose(boxes.asnumpy()[image], expected, atol=2e-3)


@pytest.mark.parametrize(("border", "beta"), [(-1, 0.0), (0, 1 / 9)])
@pytest.mark.parametrize("empty", ["", "_empty"])
def test_losses(golden, meta, mode, border, beta, empty):
    anchors, allowed, boxes, valid = (each.asnumpy() for each in truth_of(golden, meta))
    if border == 0:
        for image, size in enumerate(meta["images"]):
            inside = (anchors[:, :2] >= 0).all(1) & (anchors[:, 2:] < size[::-1]).all(1)
            allowed[image] = inside
    if empty:
        valid[1] = False
    loss = RPNLoss(MATCHER, None, BoxCoder(), beta)
    truth = Tensor(anchors), Tensor(allowed), Tensor(boxes), Tensor(valid)
    losses = loss(*outputs(golden), *truth)
    for name, value in zip(("cls", "box"), losses, strict=True):
        expected = golden[f"out_loss_{name}_border{border}{empty}"]
        np.testing.assert_allclose(value.asnumpy(), expected, rtol=1e-4, atol=1e-6)


def truth_of(golden, meta):
    anchors, _ = anchors_of(golden, meta)
    boxes = np.zeros((2, 5, 4), np.float32)
    valid = np.zeros((2, 5), bool)
    for image, truth in enumerate([golden["in_gt0"], golden["in_gt1"]]):
        boxes[image, : len(truth)], valid[image, : len(truth)] = truth, True
    allowed = np.ones((2, len(anchors)), bool)
    return Tensor(anchors), Tensor(allowed), Tensor(boxes), Tensor(valid)


def test_a_sample_as_large_as_the_anchors_has_the_loss_of_all(golden, meta):
    truth = truth_of(golden, meta)
    loss = RPNLoss(MATCHER, BalancedSampler(len(truth[0]), 1.0), BoxCoder(), 0.0)
    for name, value in zip(("cls", "box"), loss(*outputs(golden), *truth), strict=True):
        expected = golden[f"out_loss_{name}_border-1"]
        np.testing.assert_allclose(value.asnumpy(), expected, rtol=1e-4)


def test_gradient_of_images_without_boxes_pushes_all_logits_down(golden, meta, mode):
    anchors, allowed, boxes, valid = truth_of(golden, meta)
    nothing = Tensor(np.zeros(valid.shape, bool))
    loss = RPNLoss(MATCHER, BalancedSampler(256, 0.5), BoxCoder(), 0.0)

    def total(logits, deltas):
        losses = loss(logits, deltas, anchors, allowed, boxes, nothing)
        return losses[0] + losses[1]

    gradient = ms.grad(total, (0, 1))
    by_logits, by_deltas = (g.asnumpy() for g in gradient(*outputs(golden)))
    assert (by_logits >= 0).all()
    assert np.count_nonzero(by_logits) == 2 * 256
    assert (by_deltas == 0).all()


def test_places_without_a_proposal_are_not_valid(mode):
    """Four anchors: one is outside of the image, two are equal, hence one suppresses the other."""
    anchors = Tensor(np.array([[0, 0, 9, 9], [40, 0, 49, 9], [0, 0, 9, 9], [3, 8, 30, 30]], "f"))
    logits = Tensor(np.array([[40.0, 50.0, 30.0, -90.0]], "f"))
    rule = ProposalRule(max_proposals=4)
    sizes = Tensor(np.array([[20, 20]], np.int32))

    def propose(logits, deltas):
        return rule(logits, deltas, anchors, (3, 1), BoxCoder(), sizes, 64)

    function = ms.jit(propose) if mode == "graph" else propose
    boxes, valid = function(logits, ops.zeros((1, 4, 4)))
    assert valid.asnumpy().tolist() == [[True, True, False, False]]
    expected = [[0, 0, 9, 9], [3, 8, 20, 20], [0] * 4, [0] * 4]
    np.testing.assert_allclose(boxes.asnumpy()[0], expected, atol=1e-3)

    def total(deltas):
        return propose(logits, deltas)[0].sum()

    assert (ms.grad(total)(ops.zeros((1, 4, 4))).asnumpy() == 0).all()


def test_boxes_are_cut_at_each_images_own_size(mode):
    boxes = Tensor(np.array([[[-5, -6, 70, 80]], [[-5, 30, 7, 80]]], "f"))
    cut = clip_to_sizes(boxes, Tensor(np.array([[40, 60], [20, 30]], np.int32)))
    assert cut.asnumpy().tolist() == [[[0, 0, 60, 40]], [[0, 20, 7, 20]]]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"top_k": 2865}, "top_k must be from 1 to 2864, .* got 2865"),
        ({"top_k": 0}, "top_k must be from 1"),
        ({"nms_threshold": 1.1}, "nms_threshold must be between 0 and 1, got 1.1"),
        ({"max_proposals": 0}, "max_proposals must be at least 1, got 0"),
    ],
)
def test_impossible_rules_are_refused(arguments, message):
    with pytest.raises(UserError, match=message):
        ProposalRule(**arguments)
