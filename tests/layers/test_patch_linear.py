"""LayerNorm and a linear layer over patches against unfolded patches in NumPy."""

import copy

import numpy as np
import pytest
from against_oracle import assert_matches, randomise
from layers.patches import patch_linear
from mindspore import Tensor

from acmix.layers.inference import inference_form
from acmix.layers.patch_linear import PatchLinear


@pytest.mark.parametrize("patches", [(7, 4, 2), (3, 2, 1), (1, 1, 0)])
def test_equals_the_definition(patches, mode, rng):
    net = PatchLinear(3, 5, *patches, has_bias=patches[0] > 1)
    randomise(net, rng)
    x = rng.standard_normal((2, 3, 12, 16)) + 1
    assert_matches(net, lambda inputs, p: patch_linear(*inputs, p, *patches), [x], rng)
    form = inference_form(copy.deepcopy(net))
    x = Tensor(x.astype(np.float32))
    np.testing.assert_allclose(form(x).asnumpy(), net(x).asnumpy(), atol=1e-5)


def test_constant_patches_have_no_variance(rng):
    """White images: what rounding leaves of the variance may be negative."""
    net = PatchLinear(64, 4, 3, 2, 1)
    out = net(Tensor(np.full((1, 64, 9, 9), 31.7, np.float32))).asnumpy()
    assert np.isfinite(out).all()
