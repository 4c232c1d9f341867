"""The softmax: its gradient, written out and the framework's, and its precision."""

import mindspore as ms
import numpy as np
import pytest
from against_oracle import assert_matches
from mindspore import Tensor, nn, ops

from acmix.engine.precision import apply_mixed_precision
from acmix.layers.softmax import Softmax
from acmix.utils.modes import built_for


def softmax(inputs, _):
    (logits,) = inputs
    weights = np.exp(logits - logits.max(-1, keepdims=True))
    return weights / weights.sum(-1, keepdims=True)


@pytest.mark.parametrize("device", ["CPU", "Ascend"])
@pytest.mark.parametrize("shape", [(3, 5), (2, 3, 4, 7)])
def test_equals_the_definition(shape, device, mode, rng):
    with built_for(device):
        net = Softmax()
    assert isinstance(net.softmax, nn.Cell) == (device == "CPU")
    assert_matches(net, softmax, [rng.standard_normal(shape) * 3], rng)


def test_masked_keys_have_no_gradient(rng):
    logits = rng.standard_normal((2, 3)).astype(np.float32)
    logits[:, 1] = -1e4
    gradient = ops.GradOperation(sens_param=True)(Softmax())
    found = gradient(Tensor(logits), Tensor(rng.standard_normal((2, 3)).astype(np.float32)))
    assert not found.asnumpy()[:, 1].any()
    assert found.asnumpy()[:, 0].all()


class Attention(nn.Cell):
    def __init__(self):
        super().__init__()
        self.softmax = Softmax()

    def construct(self, logits):
        return self.softmax(logits)


def test_stays_in_float32_under_mixed_precision(mode):
    """Of one large and many small weights float16 would lose most of the large one's digits."""
    logits = np.array([[0.0] + [-7.5] * 7], np.float32)
    step = ops.GradOperation(sens_param=True)(apply_mixed_precision(Attention(), "O2"))
    half = Softmax().to_float(ms.float16)(Tensor(logits)).asnumpy()
    np.testing.assert_allclose(half, softmax([logits.astype(np.float64)], None), rtol=1e-5)
    gradient = step(Tensor(logits), Tensor(np.eye(8, dtype=np.float32)[:1])).asnumpy()
    weights = softmax([logits.astype(np.float64)], None)[0]
    expected = weights * (np.eye(8)[0] - weights[0])
    np.testing.assert_allclose(gradient[0], expected, rtol=2e-3)
