"""Segmenters by name."""

import pytest
from models import shrunk

from acmix.errors import UserError
from acmix.models import list_models
from acmix.models.registry import split_name
from acmix.models.segmentation import SemanticFPN, UperNet, create_segmenter, list_segmenters

TINY = shrunk.arguments("resnet26")


def test_every_backbone_makes_both_segmenters():
    heads = ("semantic_fpn", "upernet")
    assert list_segmenters() == sorted(f"{head}_{name}" for head in heads for name in list_models())


def test_list_segmenters_takes_patterns():
    assert list_segmenters("*_acmix_pvt_t*") == [
        "semantic_fpn_acmix_pvt_tiny",
        "upernet_acmix_pvt_tiny",
    ]
    assert list_segmenters("deeplab*") == []


def test_names_are_taken_apart_again():
    for name in list_segmenters():
        head, backbone = split_name("segmenters", name)
        assert f"{head}_{backbone}" == name
        assert backbone in list_models()


def test_arguments_reach_head_and_backbone():
    segmenter = create_segmenter(
        "upernet_resnet26",
        num_classes=3,
        channels=6,
        pool_scales=[1, 4],
        dropout=None,
        backbone={**TINY, "in_channels": 1},
    )
    assert isinstance(segmenter, UperNet)
    assert segmenter.num_classes == 3
    assert segmenter.decode_head.pooling.scales == (1, 4)
    assert segmenter.backbone.conv1.weight.shape[1] == 1
    assert segmenter.decode_head.classifier.dropout.keep == pytest.approx(0.9)
    segmenter = create_segmenter("semantic_fpn_resnet26", neck_channels=4, backbone=TINY)
    assert isinstance(segmenter, SemanticFPN)
    assert segmenter.num_classes == 150
    assert segmenter.neck.lateral_convs[0].weight.shape[0] == 4


def test_the_last_four_stages_are_used_unless_others_are_asked_for():
    san = {"channels": (32,) * 5, "depths": (1,) * 5, "kernel_sizes": (3,) * 5}
    segmenter = create_segmenter("semantic_fpn_san10", backbone=san, channels=4)
    assert segmenter.strides == (4, 8, 16, 32)
    segmenter = create_segmenter(
        "semantic_fpn_resnet26", backbone={**TINY, "out_indices": (1, 3)}, channels=4
    )
    assert segmenter.strides == (8, 32)
    assert segmenter.stride == 8
    assert [len(blocks) for blocks in segmenter.decode_head.scale_heads] == [1, 2]


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("upernet_resnet5", {}, "Did you mean 'upernet_resnet50'"),
        ("resnet50", {}, "segmenter 'resnet50' is unknown"),
        ("upernet_resnet26", {"chanels": 8}, "Did you mean 'channels'"),
        ("upernet_resnet26", {"channels": "8"}, "channels must be an integer, got '8'"),
        ("upernet_resnet26", {"backbone": {"widht": 8}}, "Did you mean 'width'"),
        ("upernet_resnet26", {"backbone": {"num_classes": 7}}, "is the segmenter's to set"),
        ("upernet_resnet26", {"backbone": TINY, "num_classes": 1}, "num_classes must be from 2"),
        ("upernet_resnet26", {"backbone": TINY, "num_classes": 256}, "label 255 is ignored"),
        ("upernet_resnet26", {"backbone": TINY, "dropout": 1.0}, "dropout must be at least 0"),
        ("upernet_resnet26", {"backbone": TINY, "pool_scales": [0, 1]}, "pool_scales"),
        ("upernet_resnet26", {"backbone": TINY, "auxiliary_weight": -1}, "auxiliary_weight"),
        ("upernet_resnet26", {"backbone": TINY | {"out_indices": (3,)}}, "at least two maps"),
        ("semantic_fpn_resnet26", {"backbone": TINY, "channels": 0}, "channels=0"),
    ],
)
def test_bad_requests_are_explained(name, arguments, message):
    with pytest.raises(UserError, match=message):
        create_segmenter(name, **arguments)
