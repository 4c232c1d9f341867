"""Softmax, its logarithm, and their gradients."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from acmix.tools.rehearsal.npu.registry import aclnn, operator


@aclnn("aclnnSoftmax", "self dim:int64 >out")
def softmax(x: np.ndarray, dim: int) -> np.ndarray:
    """Return exp(x) / sum(exp(x))."""
    return softmax_v2(x, axes=[dim])


@operator("SoftmaxV2", "x >y")
def softmax_v2(
    x: np.ndarray, *, axes: Sequence[int] = (-1,), half_to_float: bool = False
) -> np.ndarray:
    """Return exp(x) / sum(exp(x)) over ``axes``."""
    powers = np.exp(x - x.max(axis=tuple(axes), keepdims=True))
    return powers / powers.sum(axis=tuple(axes), keepdims=True)


@aclnn("aclnnSoftmaxBackward", "grad_output output dim:int64 >grad_input")
def softmax_backward(gradient: np.ndarray, y: np.ndarray, dim: int) -> np.ndarray:
    """Return y * (gradient - sum(y * gradient))."""
    return softmax_grad(y, gradient, axes=[dim])


@operator("SoftmaxGrad", "softmax grad_softmax >grad_x")
def softmax_grad(y: np.ndarray, gradient: np.ndarray, *, axes: Sequence[int] = (-1,)) -> np.ndarray:
    """Return y * (gradient - sum(y * gradient)) over ``axes``."""
    return y * (gradient - (y * gradient).sum(axis=tuple(axes), keepdims=True))


@aclnn("aclnnLogSoftmax", "self dim:int64 >out")
def log_softmax(x: np.ndarray, dim: int) -> np.ndarray:
    """Return x - log(sum(exp(x)))."""
    return log_softmax_v2(x, axes=[dim])


@operator("LogSoftmaxV2", "logits >logsoftmax")
def log_softmax_v2(x: np.ndarray, *, axes: Sequence[int] = (-1,)) -> np.ndarray:
    """Return x - log(sum(exp(x))) over ``axes``."""
    shifted = x - x.max(axis=tuple(axes), keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=tuple(axes), keepdims=True))


@aclnn("aclnnLogSoftmaxBackward", "grad_output output dim:int64 >grad_input")
def log_softmax_backward(gradient: np.ndarray, y: np.ndarray, dim: int) -> np.ndarray:
    """Return gradient - exp(y) * sum(gradient)."""
    return log_softmax_grad(gradient, y, axis=[dim])


@operator("LogSoftmaxGrad", "grad x >y")
def log_softmax_grad(
    gradient: np.ndarray, y: np.ndarray, *, axis: Sequence[int] = (-1,)
) -> np.ndarray:
    """Return gradient - exp(y) * sum(gradient) over ``axis``."""
    return gradient - np.exp(y) * gradient.sum(axis=tuple(axis), keepdims=True)
