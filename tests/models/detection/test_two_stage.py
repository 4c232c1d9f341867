"""Detectors of two stages: batches with little to learn, mixed precision, and every backbone."""

import mindspore as ms
import numpy as np
import pytest
from mindspore import Tensor
from models import shrunk
from models.detection.small_detector import (
    NUM_CLASSES,
    Losses,
    batch,
    masks_for,
    small_two_stage,
)
from variants import exhaustive, one_of_each_family

from acmix.engine.precision import apply_mixed_precision
from acmix.layers.full_precision import FullPrecision
from acmix.models.detection import PostProcess

HEADS = ("mask_rcnn", "cascade_mask_rcnn")
# RetinaNet is tested on every backbone, with the same maps.
FAMILIES = ["resnet26", *one_of_each_family(shrunk.representatives())]
TINY = {"width": 8, "depths": (1, 1)}


def gradients(detector, *data):
    """Return the losses by name, and the gradient of the total by parameter."""
    network = Losses(detector).set_train(True)
    parameters = network.trainable_params()

    def forward(*data):
        losses = network(*data)
        return losses[0], losses

    (_, losses), found = ms.value_and_grad(forward, None, parameters, has_aux=True)(*data)
    losses = dict(zip(detector.loss_names, (float(x.asnumpy()) for x in losses), strict=True))
    return losses, {p.name: g.asnumpy() for p, g in zip(parameters, found, strict=True)}


def check_finite(losses, found):
    assert all(np.isfinite(loss) for loss in losses.values()), losses
    for name, gradient in found.items():
        assert np.isfinite(gradient).all(), name


# --- little to learn ------------------------------------------------------------------------------


@pytest.mark.exhaustive
@pytest.mark.parametrize("head", HEADS)
def test_images_without_objects_are_all_background(head, rng):
    ms.set_context(mode=ms.PYNATIVE_MODE)
    detector = small_two_stage(head, body=TINY)
    images, boxes, labels, sizes = batch(rng, 64, 96)
    nothing = Tensor(np.full(labels.shape, -1, np.int32))
    losses, found = gradients(detector, images, boxes * 0, nothing, sizes, masks_for(boxes, rng))
    check_finite(losses, found)
    for name, loss in losses.items():
        assert (loss == 0) == name.endswith(("_box", "_mask")), name
    for name, gradient in found.items():
        unused = "mask_head" in name or "fc_reg" in name or "rpn_head.rpn_reg" in name
        if unused:
            assert not gradient.any(), name


@pytest.mark.parametrize("head", exhaustive(HEADS, HEADS[:1]))
def test_boxes_of_one_pixel_without_area_and_over_the_border_are_finite(head, rng):
    """The second image has an object without area alone, so none of its proposals is positive."""
    ms.set_context(mode=ms.PYNATIVE_MODE)
    images, _, _, sizes = batch(rng, 64, 96)
    odd = np.array(
        [[[5, 5, 6, 6], [-20, 40, 40, 120], [95, 63, 96, 64]],
         [[30, 30, 30, 30], [0, 0, 0, 0], [0, 0, 0, 0]]],
        np.float32,
    )  # fmt: skip
    labels = Tensor(np.array([[0, 1, 3], [2, -1, -1]], np.int32))
    losses, found = gradients(
        small_two_stage(head, body=TINY), images, Tensor(odd), labels, sizes, masks_for(odd, rng)
    )
    check_finite(losses, found)
    assert all(loss > 0 for name, loss in losses.items() if "rpn" not in name), losses


@pytest.mark.exhaustive
def test_a_batch_without_a_positive_proposal_learns_background_alone(rng):
    ms.set_context(mode=ms.PYNATIVE_MODE)
    images, _, _, sizes = batch(rng, 64, 96)
    boxes = np.tile(np.float32([30, 30, 30, 30]), (2, 1, 1))
    labels = Tensor(np.full((2, 1), 2, np.int32))
    losses, found = gradients(
        small_two_stage(body=TINY), images, Tensor(boxes), labels, sizes, masks_for(boxes, rng)
    )
    check_finite(losses, found)
    assert losses["loss_box"] == losses["loss_mask"] == 0 < losses["loss_cls"]


# --- every backbone -------------------------------------------------------------------------------


# Behind its maps a detector is the same for all networks: the cascade is tested on one.
BOTH = [*((HEADS[0], name) for name in FAMILIES), (HEADS[1], "resnet26")]


@pytest.mark.parametrize(("head", "name"), exhaustive(BOTH, [(HEADS[0], "resnet26")]))
def test_every_backbone_trains_and_detects_at_an_odd_size(head, name, rng):
    ms.set_context(mode=ms.PYNATIVE_MODE)
    settings = PostProcess(score_threshold=0.0, top_k=50, max_candidates=80, max_detections=20)
    detector = small_two_stage(head, name, post_process=settings)
    shrunk.show_all(detector)
    one_map = len(detector.backbone.feature_info) == 1
    images, boxes, labels, sizes = batch(rng)
    losses, found = gradients(detector, images, boxes, labels, sizes, masks_for(boxes, rng))
    check_finite(losses, found)
    for parameter, gradient in found.items():
        # No object is large enough for the coarser maps, and no anchor there need be drawn.
        coarse = "neck.fpn_convs" in parameter and "neck.fpn_convs.0" not in parameter
        coarse = coarse or (one_map and "rpn_head" in parameter)
        assert coarse or np.abs(gradient).max() > 0, parameter
    detector.set_train(False)
    own = Tensor(np.float32([[96, 130], [70, 90]]))
    found, scores, classes, masks = (x.asnumpy() for x in detector.detect(images, own))
    assert found.shape == (2, 20, 4)
    assert masks.shape[:2] == (2, 20)
    assert 0 <= masks.min() < masks.max() <= 1
    assert (np.diff(scores) <= 0).all()
    assert classes.min() >= -1
    assert classes.max() < NUM_CLASSES
    assert found.min() >= 0
    assert (found[0] <= [130, 96, 130, 96]).all()
    assert (found[1] <= [90, 70, 90, 70]).all()


# --- mixed precision ------------------------------------------------------------------------------


class Recorder(FullPrecision):
    """Keep the boxes and the type of the features of a pooler, whose boxes are not to be cast."""

    def __init__(self, pooler, seen):
        super().__init__(auto_prefix=False)
        self.pooler, self.seen = pooler, seen

    def construct(self, maps, boxes):
        pooled = self.pooler(maps, boxes)
        self.seen.append((boxes.asnumpy(), maps[0].dtype, pooled.dtype))
        return pooled


def test_boxes_keep_their_digits_in_half_precision(rng):
    """In float16 both sides of this object would be at pixel 1000."""
    ms.set_context(mode=ms.PYNATIVE_MODE)
    images, boxes, labels, sizes = batch(rng, 32, 1024, num_boxes=1)
    box = np.float32([1000.2, 3, 1000.24, 20])
    boxes[0, 0] = Tensor(box)
    detector, seen = small_two_stage(body=TINY), []
    apply_mixed_precision(Losses(detector), "O2")
    stage = detector.roi_head.stages[0]
    stage.box_pooler = Recorder(stage.box_pooler, seen)
    losses = Losses(detector).set_train(True)(images, boxes, labels, sizes, masks_for(boxes, rng))
    assert all(loss.dtype == ms.float32 and np.isfinite(loss.asnumpy()) for loss in losses)
    ((pooled, *types),) = seen
    assert types == [ms.float16, ms.float16]
    assert pooled.dtype == np.float32
    assert (pooled[0] == box).all(-1).any()


@pytest.mark.exhaustive
@pytest.mark.parametrize("head", HEADS)
def test_losses_in_half_precision_are_those_of_full_precision_but_for_rounding(head, rng):
    """All anchors are proposals, kept and learned from: no choice differs."""
    ms.set_context(mode=ms.PYNATIVE_MODE)
    every = 3 * (16 * 16 + 8 * 8 + 4 * 4)
    detector = small_two_stage(
        head, body=TINY, training_top_k=every, training_proposals=every, proposal_overlap=1.0,
        samples=every + 3, positive_fraction=1.0,
    )  # fmt: skip
    detector.rpn_loss.sampler = None
    data = tuple(tensor[:1] for tensor in batch(rng, 64, 64))
    boxes = data[1].asnumpy()
    boxes[0, :2] = (4, 8, 30, 44), (20.5, 20.25, 60, 50)
    data = (data[0], Tensor(boxes), *data[2:], masks_for(boxes, rng))
    network = Losses(detector).set_train(False)
    full = [float(loss.asnumpy()) for loss in network(*data)]
    apply_mixed_precision(network, "O2")
    half = [float(loss.asnumpy()) for loss in network(*data)]
    assert min(full) > 0
    assert half != full
    np.testing.assert_allclose(half, full, rtol=1e-2)


@pytest.mark.exhaustive
@pytest.mark.parametrize("head", HEADS)
def test_a_compiled_training_step_in_half_precision_is_finite(head, rng):
    network = apply_mixed_precision(Losses(small_two_stage(head)), "O2").set_train(True)
    parameters = network.trainable_params()
    images, boxes, labels, sizes = batch(rng, 64, 64)

    def total(*data):
        return network(*data)[0]

    step = ms.jit(ms.value_and_grad(total, None, parameters))
    loss, found = step(images, boxes, labels, sizes, masks_for(boxes, rng))
    assert np.isfinite(loss.asnumpy())
    for parameter, gradient in zip(parameters, found, strict=True):
        assert np.isfinite(gradient.asnumpy()).all(), parameter.name
