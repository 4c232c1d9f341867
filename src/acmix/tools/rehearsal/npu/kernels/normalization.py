"""Normalisation over batch or layer, and its gradients, of CANN's operator types."""

from __future__ import annotations

from typing import Any

import numpy as np

from acmix.tools.rehearsal.npu.norms import by_channel, gradients_of_layer_norm, other_axes
from acmix.tools.rehearsal.npu.registry import operator


@operator("BNInfer", "x scale offset mean variance >y")
def bn_infer(
    x: np.ndarray,
    scale: np.ndarray,
    offset: np.ndarray,
    mean: np.ndarray,
    variance: np.ndarray,
    *,
    epsilon: float,
) -> np.ndarray:
    """Return scale * (x - mean) / sqrt(variance + epsilon) + offset of each channel."""
    return by_channel(scale, x) * _normalized(x, mean, variance, epsilon) + by_channel(offset, x)


@operator("BNInferGrad", "grads scale batch_variance >x_backprop")
def bn_infer_grad(
    gradient: np.ndarray, scale: np.ndarray, variance: np.ndarray, *, epsilon: float = 0.0001
) -> np.ndarray:
    """Return gradient * scale / sqrt(variance + epsilon) of each channel."""
    return gradient * by_channel(scale / np.sqrt(variance + epsilon), gradient)


@operator("BNTrainingReduce", "x >sum >square_sum")
def bn_training_reduce(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the sums of x and of x^2 over each channel."""
    axes = other_axes(x)
    return x.sum(axis=axes), np.square(x).sum(axis=axes)


@operator(
    "BNTrainingUpdate",
    "x sum square_sum scale offset mean variance >y >mean >variance >batch_mean >batch_variance",
)
def bn_training_update(
    x: np.ndarray,
    total: np.ndarray,
    square_sum: np.ndarray,
    scale: np.ndarray,
    offset: np.ndarray,
    mean: np.ndarray,
    variance: np.ndarray,
    *,
    factor: float,
    epsilon: float,
) -> tuple[np.ndarray, ...]:
    """Return x normalised by its batch; its statistics, and the running ones with a share of them.

    The share, ``factor``, is of the unbiased variance.
    """
    size = x.size // x.shape[1]
    batch_mean = total / size
    batch_variance = square_sum / size - np.square(batch_mean)
    unbiased = batch_variance * (size / (size - 1) if size > 1 else 1)
    y = bn_infer(x, scale, offset, batch_mean, batch_variance, epsilon=epsilon)
    mean = (1 - factor) * mean + factor * batch_mean
    variance = (1 - factor) * variance + factor * unbiased
    return y, mean, variance, batch_mean, batch_variance


@operator("BNTrainingUpdateGrad", "grads x batch_mean batch_variance >diff_scale >diff_offset")
def bn_training_update_grad(
    gradient: np.ndarray,
    x: np.ndarray,
    mean: np.ndarray,
    variance: np.ndarray,
    *,
    epsilon: float = 0.0001,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the gradients of scale and offset: sums over each channel."""
    axes = other_axes(x)
    normalized = _normalized(x, mean, variance, epsilon)
    return (gradient * normalized).sum(axis=axes), gradient.sum(axis=axes)


@operator(
    "BNTrainingReduceGrad",
    "grads x diff_scale diff_offset scale batch_mean batch_variance >y",
)
def bn_training_reduce_grad(
    gradient: np.ndarray,
    x: np.ndarray,
    diff_scale: np.ndarray,
    diff_offset: np.ndarray,
    scale: np.ndarray,
    mean: np.ndarray,
    variance: np.ndarray,
    *,
    epsilon: float = 0.0001,
) -> np.ndarray:
    """Return the gradient of x, with n numbers in a channel, normalised x' and deviation s:

    scale / s * (gradient - diff_offset / n - x' * diff_scale / n).
    """
    size = x.size // x.shape[1]
    normalized = _normalized(x, mean, variance, epsilon)
    along = by_channel(diff_scale / size, x) * normalized + by_channel(diff_offset / size, x)
    return by_channel(scale / np.sqrt(variance + epsilon), x) * (gradient - along)


@operator("LayerNorm", "x gamma beta >y >mean >variance")
def layer_norm(
    x: np.ndarray,
    gamma: np.ndarray | np.floating,
    beta: np.ndarray | np.floating,
    *,
    begin_norm_axis: int = 0,
    begin_params_axis: int = 0,
    epsilon: float = 1e-7,
) -> tuple[np.ndarray, ...]:
    """Return x normalised over its axes from ``begin_norm_axis`` on, and its statistics."""
    axes = tuple(range(begin_norm_axis % x.ndim, x.ndim))
    if begin_params_axis % x.ndim != axes[0]:
        raise ValueError(f"begin_params_axis {begin_params_axis} is not begin_norm_axis")
    mean = x.mean(axis=axes, keepdims=True)
    variance = np.square(x - mean).mean(axis=axes, keepdims=True)
    return (x - mean) / np.sqrt(variance + epsilon) * gamma + beta, mean, variance


@operator("LayerNormV4", "x normalized_shape gamma beta >y >mean >rstd")
def layer_norm_v4(
    x: np.ndarray,
    shape: np.ndarray,
    gamma: np.ndarray | None,
    beta: np.ndarray | None,
    *,
    epsilon: float = 1e-5,
) -> tuple[np.ndarray, ...]:
    """Return x normalised over its last axes, its mean, and 1 / its deviation."""
    weight = np.float32(1) if gamma is None else gamma
    bias = np.float32(0) if beta is None else beta
    first = x.ndim - len(shape)
    y, mean, variance = layer_norm(
        x, weight, bias, begin_norm_axis=first, begin_params_axis=first, epsilon=epsilon
    )
    return y, mean, 1 / np.sqrt(variance + epsilon)


@operator("LayerNormGrad", "dy x variance mean gamma >pd_x >pd_gamma >pd_beta")
def layer_norm_grad(
    gradient: np.ndarray,
    x: np.ndarray,
    variance: np.ndarray,
    mean: np.ndarray,
    gamma: np.ndarray,
) -> tuple[np.ndarray, ...]:
    """Return the gradients of x, gamma and beta.

    CANN adds a constant of its own to the variance, not the epsilon of :func:`layer_norm`.
    """
    rstd = 1 / np.sqrt(variance + 1e-12)
    return gradients_of_layer_norm(gradient, x, mean, rstd, gamma)


def _normalized(x: np.ndarray, mean: np.ndarray, variance: np.ndarray, epsilon: float) -> Any:
    return (x - by_channel(mean, x)) / np.sqrt(by_channel(variance, x) + epsilon)
