"""The graph kernel is measured only where its gradients are right."""

from __future__ import annotations

from contextlib import contextmanager, nullcontext
from importlib.util import find_spec

import mindspore as ms
import numpy as np
import pytest
from mindspore import Parameter, Tensor, nn, ops

from acmix.errors import UserError
from acmix.tools.bench import graph_kernel as akg

IMAGES = np.random.default_rng(0).standard_normal((4, 3, 6, 5)).astype(np.float32)


class Net(nn.Cell):
    """Two outputs, and two parameters of gradients that differ by orders of magnitude."""

    def __init__(self):
        super().__init__()
        self.scale = Parameter(Tensor([2.0], ms.float32), name="scale")
        self.offset = Parameter(Tensor([1e-6], ms.float32), name="offset")

    def construct(self, x):
        y = ops.tanh(x * self.scale)
        return y, y * y - self.offset


@pytest.fixture
def plain(monkeypatch):
    """No graph kernel: both compilations are the same."""
    monkeypatch.setattr(akg, "graph_kernel", nullcontext)


def test_equal_gradients_pass(plain, mode):
    assert akg.check_gradients(Net(), IMAGES) == 0


def test_gradients_are_those_of_the_sum_of_squared_outputs():
    scale, offset = akg._run(akg._Gradients(Net()), IMAGES)
    y = np.tanh(2 * IMAGES.astype(np.float64))
    by_scale = (2 * y + 4 * (y * y - 1e-6) * y) * (1 - y * y) * IMAGES
    np.testing.assert_allclose(scale, by_scale.sum(), rtol=1e-3)
    np.testing.assert_allclose(offset, -2 * (y * y - 1e-6).sum(), rtol=1e-3)


@pytest.mark.parametrize("wrong", [np.nan, np.inf, 1e38, 1.1])
def test_one_wrong_gradient_in_one_of_the_trials_is_refused_by_name(plain, wrong, monkeypatch):
    run, calls = akg._run, []

    def tampered(gradients, images):
        calls.append(1)
        scale, offset = run(gradients, images)
        return [scale, offset.astype(np.float64) * wrong] if len(calls) == 3 else [scale, offset]

    monkeypatch.setattr(akg, "_run", tampered)
    with pytest.raises(UserError, match=r"1 of 6 gradients are wrong, the worst, of .*offset"):
        akg.check_gradients(Net(), IMAGES)


def test_only_the_first_call_is_compiled_under_the_graph_kernel(monkeypatch):
    entered = []

    @contextmanager
    def noted():
        entered.append("in")
        yield
        entered.append("out")

    monkeypatch.setattr(akg, "graph_kernel", noted)
    call = akg.compiled_by_graph_kernel(lambda: entered.append("call"))
    call()
    call()
    assert entered == ["in", "call", "out", "call"]


def test_what_the_compiler_lacks_is_named(monkeypatch):
    monkeypatch.setattr(akg, "find_spec", lambda name: None)
    with pytest.raises(UserError, match="decorator"):
        akg.check_available()
    monkeypatch.setattr(akg, "find_spec", lambda name: name)
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    with pytest.raises(UserError, match="OMP_WAIT_POLICY"):
        akg.check_available()
    monkeypatch.setenv("OMP_WAIT_POLICY", "passive")
    akg.check_available()


@pytest.mark.skipif(find_spec("decorator") is None, reason="needs acmix[akg]")
def test_the_real_graph_kernel_passes_on_a_plain_network():
    difference = akg.check_gradients(Net(), np.tile(IMAGES, (1, 1, 8, 8)), trials=1)
    assert difference <= akg.TOLERANCE
    assert not ms.get_context("enable_graph_kernel")
