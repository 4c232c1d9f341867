"""Names of mmdetection's detectors, there and back."""

from __future__ import annotations

import re

import mindspore as ms
import numpy as np
import pytest
from convert.test_segmentation_names import to_mmseg
from export.random_weights import draw_anew
from golden_arrays import load
from mindspore import Tensor
from models.detection.golden_detectors import NAMES, golden_detector

from acmix.convert import (
    count_classes,
    describe_head,
    load_torch_state,
    official_state,
    torch_names,
    torch_state,
)
from acmix.errors import UserError
from acmix.models.detection import CascadeMaskRCNN, MaskRCNN, RetinaNet, create_detector
from acmix.models.resnet import ResNet
from acmix.models.swin import Swin
from acmix.utils.modes import execution_mode
from acmix.utils.parameters import get_value

SWIN_BODY = {"embed_dim": 8, "depths": (1, 1), "num_heads": (1, 2), "window_size": 4,
             "out_indices": (0, 1)}  # fmt: skip


def small(name, classes=3):
    heads = {"channels": 4}
    if "rcnn" in name:
        heads |= {"fc_channels": 6, "mask_channels": 4}
    network = create_detector(name, classes, backbone=SWIN_BODY, **heads)
    return draw_anew(network, np.random.default_rng(0))


def same_parameters(one, other):
    for (name, a), (_, b) in zip(
        one.parameters_and_names(), other.parameters_and_names(), strict=True
    ):
        if not name.endswith("random_state"):
            np.testing.assert_array_equal(get_value(a), get_value(b), err_msg=name)


@pytest.mark.parametrize("name", NAMES)
def test_a_state_comes_back_as_it_was_read(name):
    network, golden = golden_detector(name)
    back = torch_state(network)
    constants = {k for k in golden.state if re.search("num_batches_tracked|position_index", k)}
    assert set(back) == set(golden.state) - constants
    for key, value in back.items():
        np.testing.assert_array_equal(value, golden.state[key], err_msg=key)
    report = load_torch_state(network, {f"module.{k}": v for k, v in golden.state.items()})
    assert "the names' prefix 'module.' dropped" in str(report)
    assert all(name.endswith("random_state") for name in report.kept)
    cls = {"mask_rcnn_swin": MaskRCNN, "cascade_mask_rcnn_swin": CascadeMaskRCNN}[name]
    assert count_classes(cls, golden.state, Swin) == golden.meta["num_classes"]


def retinanet_r50_names():
    """Of mmdetection's configs/retinanet/retinanet_r50_fpn_1x_coco.py, but for the backbone's."""
    layers = [f"neck.lateral_convs.{i}.conv" for i in range(3)]
    layers += [f"neck.fpn_convs.{i}.conv" for i in range(5)]
    layers += [f"bbox_head.{kind}_convs.{i}.conv" for kind in ("cls", "reg") for i in range(4)]
    layers += ["bbox_head.retina_cls", "bbox_head.retina_reg"]
    return {f"{layer}.{kind}" for layer in layers for kind in ("weight", "bias")}


def test_names_of_retinanet():
    body = {"width": 8, "depths": (1, 1, 1, 1)}
    network, other = (
        create_detector("retinanet_resnet50", 3, backbone=body, channels=4) for _ in range(2)
    )
    state = torch_state(draw_anew(network, np.random.default_rng(0)))
    assert {n for n in state if not n.startswith("backbone.")} == retinanet_r50_names()
    assert "backbone.layer4.0.downsample.1.running_var" in state
    # The levels beyond the backbone's begin with that made of its last map.
    assert state["neck.fpn_convs.3.conv.weight"].shape == (4, 256, 3, 3)
    assert state["neck.fpn_convs.4.conv.weight"].shape == (4, 4, 3, 3)
    assert count_classes(RetinaNet, state, ResNet) == 3
    load_torch_state(other, state)
    same_parameters(network, other)


def cascade_r50_shapes():
    """Of the box heads of mmdetection's cascade-mask-rcnn_r50_fpn_1x_coco.py, made small."""
    layers = {"shared_fcs.0": (6, 4 * 49), "shared_fcs.1": (6, 6), "fc_cls": (4, 6),
              "fc_reg": (4, 6)}  # fmt: skip
    shapes = {}
    for stage in range(3):
        for layer, shape in layers.items():
            name = f"roi_head.bbox_head.{stage}.{layer}"
            shapes |= {f"{name}.weight": shape, f"{name}.bias": shape[:1]}
    return shapes


def test_names_of_mmdetections_own_cascade():
    body = {"width": 8, "depths": (1, 1, 1, 1)}
    heads = {"box_convs": 0, "box_fcs": 2, "class_wise": False, "fc_channels": 6}
    few = {"top_k": 20, "proposals": 10}
    network = create_detector(
        "cascade_mask_rcnn_resnet50", 3, backbone=body, channels=4, mask_channels=4, **heads, **few
    )
    state = torch_state(network)
    own = {name: value.shape for name, value in state.items() if ".bbox_head." in name}
    assert own == cascade_r50_shapes()
    assert count_classes(CascadeMaskRCNN, state, ResNet) == 3
    changed = {p.name for p in network.classifier_parameters()}
    assert not any("fc_reg" in name for name in changed)  # one box for all classes
    with execution_mode(ms.PYNATIVE_MODE):
        boxes = network.set_train(False).detect(Tensor(np.ones((1, 3, 64, 64), np.float32)))[0]
    assert boxes.shape == (1, 100, 4)


@pytest.mark.parametrize("name", ["mask_rcnn", "cascade_mask_rcnn", "retinanet"])
def test_names_of_later_versions_of_mmdetection(name):
    network, other = small(f"{name}_swin_tiny"), small(f"{name}_swin_tiny")
    state = dict(to_mmseg(key, value) for key, value in torch_state(network).items())
    assert "backbone.norm1.weight" in state
    assert any(".ffn.layers.0.0." in key for key in state)
    draw_anew(other, np.random.default_rng(1))
    report = load_torch_state(other, state)
    assert "the names of mmpretrain and mmdetection recognised" in str(report)
    same_parameters(network, other)


@pytest.mark.parametrize("name", ["mask_rcnn", "cascade_mask_rcnn", "retinanet"])
def test_every_parameter_of_an_acmix_detector_has_a_name(name):
    """Inside the operator as LeapLabTHU/ACmix, outside as mmdetection."""
    network = small(f"{name}_acmix_swin_tiny")
    names = torch_names(network)
    assert names["backbone.stages.0.blocks.0.attn.alpha"] == (
        "backbone.layers.0.blocks.0.attn.rate1",
    )
    assert all(tensors or name.endswith("random_state") for name, tensors in names.items())
    report = load_torch_state(network, torch_state(network))
    assert all(name.endswith("random_state") for name in report.kept)


def test_a_head_of_one_stage_is_not_that_of_a_cascade():
    one, three = (load(name).state for name in NAMES)
    assert count_classes(MaskRCNN, official_state(MaskRCNN, three, Swin).state, Swin) is None
    assert count_classes(CascadeMaskRCNN, one, Swin) is None
    remedy = "; name such a network with --model."
    assert describe_head(one) == f"The names are of a MaskRCNN{remedy}"
    assert describe_head(three) == f"The names are of a CascadeMaskRCNN{remedy}"
    assert describe_head({"x": np.ones(1)}) == ""


def test_a_state_that_does_not_fit_is_refused_by_torchs_names():
    network = small("mask_rcnn_swin_tiny")
    state = torch_state(network)
    del state["roi_head.bbox_head.shared_fcs.1.weight"]
    with pytest.raises(UserError, match=r"roi_head\.bbox_head\.shared_fcs\.1\.weight"):
        load_torch_state(network, state)
    with pytest.raises(UserError, match=r"fc_cls\.bias \(\(4,\) instead of \(6,\)\)"):
        load_torch_state(small("mask_rcnn_swin_tiny", 5), torch_state(network))
