"""``print`` of a network or a layer tells its dimensions."""

from __future__ import annotations

import pytest
from models.shrunk import arguments
from variants import one_of_each_family

import acmix
from acmix.layers.attention import ATTENTION
from acmix.layers.drop_path import DropPath
from acmix.models import list_models


def test_the_operator_tells_its_dimensions():
    layer = acmix.ACmix(32, 64, num_heads=4, kernel_size=5, stride=2, combine="sum")
    text = repr(layer)
    assert "in_channels=32, out_channels=64, num_heads=4, combine=sum, data_format=NCHW" in text
    assert "QKVProjection(in_channels=32, channels=(64, 64, 64), data_format=NCHW" in text
    assert "dim=64, num_heads=4, kernel_size=5, stride=2" in text
    assert "head_dim=16, num_features=12, channels=64, kernel_size=3, stride=2" in text


@pytest.mark.parametrize("mode", list(ATTENTION))
def test_every_attention_mode_tells_its_dimensions(mode):
    text = acmix.ACmix(32, num_heads=2, attention=mode).attention.extend_repr()
    assert text.startswith("dim=32, ")


def test_global_attention_tells_how_much_it_reduces():
    assert "sr_ratio=4" in repr(acmix.ACmix(8, num_heads=2, attention="global", sr_ratio=4))


def test_stochastic_depth_tells_its_rate():
    assert repr(DropPath(0.1)) == "DropPath(drop_path_rate=0.1)"
    assert repr(DropPath(0.0)) == "DropPath(drop_path_rate=0)"


def test_networks_tell_what_they_put_out():
    small = {"embed_dim": 8, "depths": (1, 1), "num_heads": (1, 2)}
    assert "\n  num_classes=7\n" in repr(acmix.create_model("swin_tiny", num_classes=7, **small))
    backbone = acmix.create_model("swin_tiny", features_only=True, **small)
    assert "features_only=True, channels=[8, 16], strides=[4, 8]" in repr(backbone)
    body = {**small, "out_indices": (0, 1)}
    detector = acmix.create_detector("retinanet_swin_tiny", num_classes=9, backbone=body)
    assert repr(detector).startswith("RetinaNet(\n  num_classes=9\n")
    segmenter = acmix.create_segmenter("upernet_swin_tiny", num_classes=9, backbone=body)
    assert repr(segmenter).startswith("UperNet(\n  num_classes=9, stride=4\n")


@pytest.mark.parametrize("name", one_of_each_family(list_models()))
def test_no_layer_with_weights_is_silent(name):
    network = acmix.create_model(name, **arguments(name))
    silent = {
        type(cell).__name__
        for _, cell in network.cells_and_names()
        if type(cell).__module__.startswith("acmix.layers") and cell._params
        if not cell.extend_repr()
    }
    assert not silent
