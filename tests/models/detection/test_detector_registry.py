"""Detectors by name."""

import pytest
from models import shrunk

from acmix.errors import UserError
from acmix.models import list_models, list_networks
from acmix.models.detection import (
    PostProcess,
    RetinaNet,
    create_detector,
    list_detectors,
)
from acmix.models.registry import register_head, split_name

TINY = shrunk.arguments("resnet26")


def test_every_backbone_makes_every_detector():
    detectors = ("cascade_mask_rcnn", "mask_rcnn", "retinanet")
    names = [f"{detector}_{model}" for detector in detectors for model in list_models()]
    assert list_detectors() == sorted(names)


def test_list_detectors_takes_patterns():
    assert list_detectors("mask*_acmix_pvt_t*") == ["mask_rcnn_acmix_pvt_tiny"]
    assert list_detectors("mask_rcnn") == []


@pytest.mark.parametrize("name", list_detectors())
def test_names_are_taken_apart_again(name):
    detector, backbone = split_name("detectors", name)
    assert f"{detector}_{backbone}" == name
    assert backbone in list_models()


def test_arguments_reach_detector_and_backbone():
    settings = PostProcess(max_detections=7)
    detector = create_detector(
        "retinanet_resnet26",
        num_classes=3,
        post_process=settings,
        channels=8,
        num_convs=2,
        num_levels=None,
        backbone={**TINY, "in_channels": 1},
    )
    assert isinstance(detector, RetinaNet)
    assert detector.post_process is settings
    assert detector.num_classes == 3
    assert detector.backbone.conv1.weight.shape[1] == 1
    assert len(detector.head.cls_convs) == 2 * 2
    assert detector.strides == (8, 16, 32, 64, 128)


def test_the_last_three_stages_are_used_unless_others_are_asked_for():
    backbone = {"channels": (32, 32, 32, 32), "depths": (1,) * 4, "kernel_sizes": (3,) * 4}
    assert create_detector("retinanet_san10", backbone=backbone, channels=8).strides[:3] == (
        4,
        8,
        16,
    )
    backbone = {**TINY, "out_indices": (0, 1, 2, 3)}
    detector = create_detector("retinanet_resnet26", backbone=backbone, channels=8, num_levels=4)
    assert detector.strides == (4, 8, 16, 32)


def test_freezing_is_asked_for_by_arguments():
    detector = create_detector(
        "retinanet_resnet26", frozen_stages=2, frozen_norm=True, channels=8, backbone=TINY
    )
    names = {parameter.name for parameter in detector.trainable_params()}
    assert not any(name.startswith(("backbone.conv1", "backbone.stages.1")) for name in names)
    assert any(name.startswith("backbone.stages.2") for name in names)
    assert detector.backbone.stages[3][0].bn1.use_batch_statistics is False


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("retinanet_resnet5", {}, "Did you mean 'retinanet_resnet50'"),
        ("retinanet_", {}, "is unknown"),
        ("resnet50", {}, "detector 'resnet50' is unknown"),
        ("retinanet_resnet26", {"chanels": 8}, "Did you mean 'channels'"),
        ("retinanet_resnet26", {"backbone": {"widht": 8}}, "Did you mean 'width'"),
        ("retinanet_resnet26", {"backbone": {"features_only": False}}, "features_only"),
        ("retinanet_resnet26", {"backbone": {"num_classes": 7}}, "is the detector's to set"),
        ("retinanet_resnet26", {"backbone": TINY, "num_classes": 0}, "num_classes"),
        ("retinanet_resnet26", {"backbone": TINY, "frozen_stages": 5}, "frozen_stages"),
        ("retinanet_resnet26", {"backbone": TINY, "num_levels": 2}, "num_levels=2"),
        ("retinanet_resnet26", {"backbone": TINY, "prior": 1.0}, "prior"),
    ],
)
def test_bad_requests_are_explained(name, arguments, message):
    with pytest.raises(UserError, match=message):
        create_detector(name, **arguments)


def test_a_name_is_taken_once():
    with pytest.raises(UserError, match="'retinanet' is already registered"):
        register_head("detectors", "retinanet", "acmix.models.detection:RetinaNet")


def test_a_kind_without_heads_has_no_networks_before_and_after_a_lookup():
    assert list_networks("nosuch") == []
    with pytest.raises(UserError, match="nosuch 'x_resnet50' is unknown"):
        split_name("nosuch", "x_resnet50")
    assert list_networks("nosuch") == []
