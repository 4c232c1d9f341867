"""The loss of segmenters against mmsegmentation's, with its gradient."""

from pathlib import Path

import mindspore as ms
import numpy as np
import pytest
from mindspore import Tensor

from acmix.ops.losses import pixel_cross_entropy
from acmix.ops.resample import bilinear_matrix, resize_to_rows


@pytest.fixture(scope="module")
def golden():
    with np.load(Path(__file__).parents[1] / "golden" / "seg_loss.npz") as file:
        return {name: file[name] for name in file.files}


def value_and_gradient(mode, loss, x):
    step = ms.value_and_grad(loss)
    step = ms.jit(step) if mode == "graph" else step
    return [tensor.asnumpy() for tensor in step(Tensor(x))]


def test_value_and_gradient_are_mmsegmentations(golden, mode):
    """All pixels are in the divisor, those with label 255 too."""
    labels = Tensor(golden["in_label"].reshape(-1).astype(np.int32))
    rows = golden["out_resized"].transpose(0, 2, 3, 1).reshape(-1, 5)

    def loss(rows):
        return pixel_cross_entropy(rows, labels, 255)

    value, gradient = value_and_gradient(mode, loss, rows)
    np.testing.assert_allclose(value, golden["out_all"], rtol=1e-5)
    assert abs(value - golden["out_labelled"]) > 0.01
    expected = golden["out_all_gradient"].transpose(0, 2, 3, 1).reshape(-1, 5)
    np.testing.assert_allclose(gradient, expected, atol=1e-8)


def test_gradient_through_the_resizing(golden, mode):
    """The transposed matrices of the interpolation bring the gradient back to the logits."""
    height, width = golden["in_label"].shape[1:]
    labels = Tensor(golden["in_label"].reshape(-1).astype(np.int32))

    def loss(logits):
        return pixel_cross_entropy(resize_to_rows(logits, height, width), labels, 255)

    value, gradient = value_and_gradient(mode, loss, golden["in_logits"])
    np.testing.assert_allclose(value, golden["out_all"], rtol=1e-5)
    rows, columns = bilinear_matrix(9, height, 9 / height), bilinear_matrix(12, width, 12 / width)
    expected = rows.T @ golden["out_all_gradient"] @ columns
    np.testing.assert_allclose(gradient, expected, atol=1e-7)


def test_pixels_without_labels_alone_have_loss_zero(golden):
    ms.set_context(mode=ms.PYNATIVE_MODE)
    labels = Tensor(np.full(10, 255, np.int32))

    def loss(rows):
        return pixel_cross_entropy(rows, labels, 255)

    value, gradient = value_and_gradient("pynative", loss, np.ones((10, 5), np.float32))
    assert value == golden["out_all_ignored"] == 0
    assert not gradient.any()


@pytest.mark.parametrize("size", [1e4, -1e4])
def test_extreme_logits_give_finite_losses(size):
    ms.set_context(mode=ms.PYNATIVE_MODE)
    rows = np.array([[size, 0, 0], [0, size, 0]], np.float32)
    labels = Tensor(np.array([0, 0], np.int32))

    def loss(rows):
        return pixel_cross_entropy(rows, labels, 255)

    value, gradient = value_and_gradient("pynative", loss, rows)
    own = 0 if size > 0 else -size + np.log(2)
    other = size if size > 0 else np.log(2)
    np.testing.assert_allclose(value, (own + other) / 2, rtol=1e-6)
    assert np.isfinite(gradient).all()
