"""Parameters and multiply-adds of whole two-stage detectors against the public implementations."""

from __future__ import annotations

import pytest
from variants import exhaustive

from acmix.models.detection import PostProcess, create_detector
from acmix.tasks import task_of_network
from acmix.tools.analysis.macs import trace

PUBLIC = {
    "mask_rcnn_swin_tiny": 47_794_602,
    "mask_rcnn_acmix_swin_tiny": 48_156_156,
    "mask_rcnn_swin_small": 69_112_506,
    "mask_rcnn_acmix_swin_small": 69_851_328,
    "cascade_mask_rcnn_swin_tiny": 85_629_804,
    "cascade_mask_rcnn_acmix_swin_tiny": 85_991_358,
    "cascade_mask_rcnn_swin_small": 106_947_708,
    "cascade_mask_rcnn_acmix_swin_small": 107_686_530,
}
"""Of the networks of Swin's code; ACmix adds what it adds to a classifier."""

PARTS = {
    "backbone": 27_520_698,
    "neck": 2_729_984,
    "rpn_head": 593_935,
    "box_head": 14_306_705,
    "mask_head": 2_643_280,
}


def parameters(cell):
    return sum(parameter.size for parameter in cell.trainable_params())


@pytest.mark.parametrize(
    "name",
    exhaustive(PUBLIC, ("mask_rcnn_acmix_swin_tiny", "cascade_mask_rcnn_swin_tiny")),
)
def test_detectors_have_the_parameters_of_the_public_implementation(name):
    assert parameters(create_detector(name)) == PUBLIC[name]


def test_every_part_has_the_parameters_of_the_public_implementation():
    network = create_detector("mask_rcnn_swin_tiny")
    (stage,) = network.roi_head.stages
    cells = {
        "backbone": network.backbone,
        "neck": network.neck,
        "rpn_head": network.rpn_head,
        "box_head": stage.box_head,
        "mask_head": stage.mask_head,
    }
    assert {name: parameters(cell) for name, cell in cells.items()} == PARTS


def count(network, name, size):
    return trace(task_of_network(name).deployed(network), (1, 3, *size))


def head_macs(network, name, size):
    traced = count(network, name, size)
    assert traced.uncounted == ()
    return sum(cell.macs for cell in traced.cells if ".roi_head." in cell.name)


def test_heads_multiply_once_for_every_proposal_and_for_every_mask():
    proposals, masks, channels, hidden = 12, 5, 16, 24
    fixed = {
        "backbone": {"width": 8},
        "channels": channels,
        "fc_channels": hidden,
        "mask_channels": channels,
        "proposals": proposals,
        "post_process": PostProcess(max_detections=masks),
    }
    linear = channels * 49 * hidden
    outputs = hidden * (81 + 320)
    mask = 14**2 * (4 * 9 + 4) * channels**2 + 28**2 * channels * 80
    name = "mask_rcnn_resnet26"
    box = linear + hidden**2 + outputs
    found = head_macs(create_detector(name, **fixed), name, (64, 64))
    assert found == proposals * box + masks * mask
    name = "cascade_mask_rcnn_resnet26"
    box = 49 * 4 * 9 * channels**2 + linear + outputs
    found = head_macs(create_detector(name, **fixed), name, (64, 64))
    assert found == 3 * (proposals * box + masks * mask)


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    ("name", "gmacs"),
    [
        ("mask_rcnn_acmix_swin_tiny", 275.07),
        ("cascade_mask_rcnn_acmix_swin_tiny", 753.32),
    ],
)
def test_multiply_adds_at_the_paper_s_size(name, gmacs):
    traced = count(create_detector(name), name, (800, 1333))
    assert traced.macs / 1e9 == pytest.approx(gmacs, abs=0.005)


@pytest.mark.exhaustive
def test_multiply_adds_of_the_recipe_are_those_of_swin_s_code():
    """It prints 267 G for Mask R-CNN at 800 x 1280, filled windows included."""
    name = "mask_rcnn_swin_tiny"
    network = create_detector(name, backbone={"mask_padding": False})
    assert count(network, name, (800, 1280)).macs / 1e9 == pytest.approx(266.55, abs=0.005)
