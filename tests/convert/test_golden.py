"""With the weights of the official PyTorch implementations we compute what they compute."""

import mindspore as ms
import numpy as np
import pytest
from golden_models import NAMES, build, load_golden
from mindspore import Tensor

from acmix.convert import load_torch_state
from acmix.models import Backbone
from acmix.utils.modes import execution_mode

# Two outputs of single precision differ by 1e-6 here; a factor of 1.01 on fc.bias, the least
# visible of the weights that matter, makes 9e-5.
TOLERANCE = 1e-5

WITH_CONV_PATH = [name for name in NAMES if name.startswith("acmix")]
WITHOUT_CONV_PATH = [name for name in NAMES if name not in WITH_CONV_PATH]


@pytest.fixture(autouse=True)
def _graph_mode():
    with execution_mode(ms.GRAPH_MODE):
        yield


def assert_official_output(model, golden):
    """Compare, a whole network without its graph: a test of every family compares the two."""
    mode = ms.PYNATIVE_MODE if isinstance(model, Backbone) else ms.GRAPH_MODE
    with execution_mode(mode):
        output = model(Tensor(golden.input)).asnumpy()
    np.testing.assert_allclose(output, golden.output, rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("conv_impl", ["dense", "group", "block"])
@pytest.mark.parametrize("name", WITH_CONV_PATH)
def test_acmix_output_is_the_official_one(name, conv_impl):
    golden = load_golden(name)
    model = build(name, conv_impl)
    load_torch_state(model, golden.state)
    assert_official_output(model, golden)


@pytest.mark.parametrize("name", WITHOUT_CONV_PATH)
def test_output_of_attention_alone_is_the_official_one(name):
    golden = load_golden(name)
    model = build(name)
    load_torch_state(model, golden.state)
    assert_official_output(model, golden)


def test_a_model_compiled_before_loading_computes_with_the_new_weights():
    golden = load_golden("acmix_resnet_bottleneck")
    model = build("acmix_resnet_bottleneck")
    before = model(Tensor(golden.input)).asnumpy()
    assert np.abs(before - golden.output).max() > 0.1
    load_torch_state(model, golden.state)
    assert_official_output(model, golden)
