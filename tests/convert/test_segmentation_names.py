"""Segmenters from and to mmsegmentation's names."""

import re

import numpy as np
import pytest
from golden_arrays import load
from models.segmentation.golden_segmenters import small_network

from acmix.convert import load_torch_state, torch_state
from acmix.errors import UserError
from acmix.models.segmentation import create_segmenter
from acmix.utils.parameters import get_value

SWIN_BODY = {"embed_dim": 8, "depths": (2, 1), "num_heads": (1, 2), "window_size": 4,
             "out_indices": (0, 1)}  # fmt: skip


@pytest.mark.parametrize("name", ["semantic_fpn_pvt", "upernet_swin"])
def test_a_state_comes_back_as_it_was_read(name):
    golden = load(name)
    network = small_network(name, golden)
    back = torch_state(network)
    constants = {k for k in golden.state if re.search("num_batches_tracked|position_index", k)}
    assert set(back) == set(golden.state) - constants
    for key, value in back.items():
        np.testing.assert_array_equal(value, golden.state[key])
    report = load_torch_state(network, {f"module.{k}": v for k, v in golden.state.items()})
    assert "the names' prefix 'module.' dropped" in str(report)
    assert len(report.kept) == (1 if name == "semantic_fpn_pvt" else 2)  # states of the dropouts


def to_mmseg(name, value):
    """Name a tensor of Swin's own code as mmsegmentation 0.20 and later does."""
    for pattern, replacement in (
        (r"patch_embed\.proj\.", "patch_embed.projection."),
        (r"backbone\.layers\.", "backbone.stages."),
        (r"\.attn\.", ".attn.w_msa."),
        (r"\.mlp\.fc1\.", ".ffn.layers.0.0."),
        (r"\.mlp\.fc2\.", ".ffn.layers.1."),
    ):
        name = re.sub(pattern, replacement, name)
    if ".downsample." in name:
        # nn.Unfold gives (channels, rows, columns), Swin's own code (columns, rows, channels).
        pixels = value.reshape(*value.shape[:-1], 2, 2, -1)
        value = np.moveaxis(pixels.swapaxes(-3, -2), -1, -3).reshape(value.shape)
    return name, value


def test_names_of_later_versions_of_mmsegmentation(rng):
    network, other = (
        create_segmenter("upernet_swin_tiny", 3, SWIN_BODY, channels=4, auxiliary_channels=4)
        for _ in range(2)
    )
    state = dict(to_mmseg(name, value) for name, value in torch_state(network).items())
    assert "backbone.norm1.weight" in state
    report = load_torch_state(other, state)
    assert "the names of mmpretrain and mmdetection recognised" in str(report)
    for (name, one), (_, same) in zip(
        network.parameters_and_names(), other.parameters_and_names(), strict=True
    ):
        if not name.endswith("random_state"):
            np.testing.assert_array_equal(get_value(one), get_value(same), err_msg=name)


def test_every_parameter_of_an_acmix_segmenter_has_a_name(rng):
    """Inside the operator as LeapLabTHU/ACmix, outside as mmsegmentation."""
    arguments = {"channels": 4, "auxiliary_channels": 4}
    network = create_segmenter("upernet_acmix_swin_tiny", 3, SWIN_BODY, **arguments)
    state = torch_state(network)
    assert "backbone.layers.0.blocks.1.attn.rate1" in state
    assert "decode_head.psp_modules.3.1.conv.weight" in state
    assert "auxiliary_head.convs.0.bn.running_var" in state
    report = load_torch_state(network, state)
    assert all(name.endswith("random_state") for name in report.kept)


def test_a_state_that_does_not_fit_is_refused_by_torchs_names():
    network = create_segmenter("upernet_swin_tiny", 3, SWIN_BODY, channels=4, auxiliary_weight=0.0)
    state = torch_state(network)
    del state["decode_head.fpn_bottleneck.conv.weight"]
    with pytest.raises(UserError, match=r"decode_head\.fpn_bottleneck\.conv\.weight"):
        load_torch_state(network, state)


def test_other_architectures_are_refused_behind_the_prefix_too():
    network = create_segmenter("upernet_swin_tiny", 3, SWIN_BODY, channels=4, auxiliary_weight=0.0)
    state = torch_state(network)
    state["backbone.layers.0.blocks.0.attn.cpb_mlp.0.weight"] = np.zeros((4, 2), np.float32)
    with pytest.raises(UserError, match="The names are of Swin Transformer V2"):
        load_torch_state(network, state)
