"""Heads and whole small networks give what mmsegmentation's give with the same weights."""

import mindspore as ms
import numpy as np
import pytest
from golden_arrays import load
from mindspore import Tensor
from models.segmentation.golden_segmenters import load_head, maps_of, small_network
from models.segmentation.small_segmenter import Given, Labels, Losses, Segment

from acmix.export import fuse
from acmix.models.segmentation.semantic_fpn import FPNHead
from acmix.models.segmentation.upernet import FCNHead, UPerHead

NETWORKS = ["semantic_fpn_pvt", "upernet_swin"]


def assert_close(output, expected):
    """Compare to 1e-5 of the largest value: logits of the random networks reach 50."""
    scale = np.abs(expected).max()
    np.testing.assert_allclose(output.asnumpy(), expected, rtol=0, atol=1e-5 * scale)


def fpn_head():
    golden = load("fpn_head")
    head = FPNHead(12, golden.meta["config"]["channels"], 6, (4, 8, 16, 32), 0.1)
    return load_head(head, golden.state), golden


def uper_head():
    golden = load("uper_head")
    config = golden.meta["config"]
    head = UPerHead(config["in_channels"], config["channels"], 7, config["pool_scales"], 0.1)
    return load_head(head, golden.state), golden


@pytest.mark.parametrize("make", [fpn_head, uper_head])
def test_heads_on_maps_of_odd_sizes(make, mostly_pynative):
    head, golden = make()
    assert_close(head(maps_of(golden)), golden.out)


def test_auxiliary_head(mode):
    golden = load("fcn_head")
    head = load_head(FCNHead(16, golden.meta["config"]["channels"], 6, 0.1), golden.state)
    assert_close(head(maps_of(golden)[2]), golden.out)


@pytest.mark.parametrize("name", NETWORKS)
def test_whole_networks(name, mostly_pynative):
    golden = load(name)
    network = small_network(name, golden)
    images = Tensor(golden.in_image)
    maps = network.backbone(images)
    for i, feature in enumerate(maps):
        assert_close(feature, vars(golden)[f"out_feature{i}"])
    network.backbone = Given(maps, network.backbone)
    assert_close(network(images), golden.out_logits)
    assert_close(Segment(network)(images), golden.out_logits_input)
    best = np.sort(golden.out_logits_input, 1)
    certain = best[:, -1] - best[:, -2] > 1e-3
    labels = Labels(network)(images)
    assert labels.dtype == ms.int32
    right = labels.asnumpy() == golden.out_logits_input.argmax(1)
    assert certain.mean() > 0.9
    assert right[certain].all()
    losses = Losses(network)(images, Tensor(golden.in_label.astype(np.int32)))
    expected = [golden.out_decode_loss_ce]
    if name == "upernet_swin":
        expected = [expected[0] + golden.out_aux_loss_ce, *expected, golden.out_aux_loss_ce]
    np.testing.assert_allclose([loss.asnumpy() for loss in losses], expected, rtol=1e-5)


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", NETWORKS)
def test_whole_networks_as_one_graph(name):
    golden = load(name)
    network = small_network(name, golden)
    assert_close(Segment(network)(Tensor(golden.in_image)), golden.out_logits_input)


@pytest.mark.exhaustive
def test_fused_networks_of_the_public_padding():
    """The norm before the padding keeps its offset, or the zeros would stand for other values."""
    ms.set_context(mode=ms.PYNATIVE_MODE)
    golden = load("upernet_swin")
    network = fuse(small_network("upernet_swin", golden))
    assert_close(network(Tensor(golden.in_image)), golden.out_logits)


@pytest.mark.exhaustive
def test_padding_that_is_masked_gives_other_maps():
    """The one difference between the classifier's code and that for dense tasks is seen here."""
    ms.set_context(mode=ms.PYNATIVE_MODE)
    golden = load("upernet_swin")
    network = small_network("upernet_swin", golden, mask_padding=True)
    maps = [m.asnumpy() for m in network.backbone(Tensor(golden.in_image))]
    # 16 x 24 and 8 x 12 are whole windows of 4, 4 x 6 and 2 x 3 are not.
    for i, same in enumerate((True, True, False, False)):
        difference = np.abs(maps[i] - vars(golden)[f"out_feature{i}"]).max()
        assert difference < 1e-4 if same else difference > 0.1
