"""The two ways to fill up windows: masked, and Swin's public code for dense tasks."""

import mindspore as ms
import numpy as np
import pytest
from mindspore import Tensor
from models import shrunk

from acmix import create_model
from acmix.export import fuse
from acmix.tools.analysis.macs import trace
from acmix.utils.parameters import get_value, set_value


def maps_of(model, images):
    return [feature.asnumpy() for feature in model(Tensor(images))]


def both(name):
    """Return a model with masked padding, and one with the same weights that attends to it."""
    body = {**shrunk.shallow(name), "features_only": True}
    masked, filled = create_model(name, **body), create_model(name, mask_padding=False, **body)
    for one, other in zip(masked.get_parameters(), filled.get_parameters(), strict=True):
        assert one.name == other.name
        set_value(other, get_value(one))
    return masked.set_train(False), filled.set_train(False)


@pytest.mark.parametrize("name", ["acmix_swin_tiny", "conv_swin_tiny"])
def test_they_differ_where_windows_are_filled_up(name, rng):
    """64 x 96 are whole windows of 4 in both stages; 72 x 90 are not; convolutions have none."""
    ms.set_context(mode=ms.PYNATIVE_MODE)
    masked, filled = both(name)
    for size, same in (((64, 96), True), ((72, 90), name == "conv_swin_tiny")):
        images = rng.standard_normal((1, 3, *size)).astype(np.float32)
        pairs = zip(maps_of(masked, images), maps_of(filled, images), strict=True)
        differences = [np.abs(one - other).max() for one, other in pairs]
        assert max(differences) < 1e-5 if same else min(differences) > 1e-3


def test_the_inference_form_keeps_what_fills_up(rng):
    ms.set_context(mode=ms.PYNATIVE_MODE)
    _, filled = both("acmix_swin_tiny")
    for _, cell in filled.cells_and_names():
        if hasattr(cell, "beta") and hasattr(cell, "gamma"):
            set_value(cell.beta, rng.standard_normal(cell.beta.shape))
    images = rng.standard_normal((1, 3, 72, 90)).astype(np.float32)
    for one, other in zip(maps_of(fuse(filled), images), maps_of(filled, images), strict=True):
        np.testing.assert_allclose(one, other, atol=2e-5)


def test_all_products_on_what_fills_up_are_counted():
    """A map of 5 x 5 counts as one of 8 x 8, but for its patches and its MLP."""
    masked, filled = both("swin_tiny")
    dim, hidden, pixels = 12, 4 * 12, 25

    def first_stage(model):
        counted = trace(model, (1, 3, 20, 20))
        return sum(c.macs for c in counted.cells if c.name.startswith("stages.0"))

    blocks = len(masked.stages[0].blocks)
    attention = 2 * 4 * 16**2 * dim
    mlp = 2 * pixels * dim * hidden
    assert first_stage(masked) == blocks * (attention + mlp + pixels * 4 * dim**2)
    assert first_stage(filled) == blocks * (attention + mlp + 64 * 4 * dim**2)
