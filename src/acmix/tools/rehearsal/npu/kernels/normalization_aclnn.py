"""Normalisation over batch, layer or group, and its gradients, of CANN's C functions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from acmix.tools.rehearsal.npu.norms import by_channel, gradients_of_layer_norm, other_axes
from acmix.tools.rehearsal.npu.registry import aclnn

Optional = np.ndarray | None
Arrays = tuple[np.ndarray, ...]


@aclnn("aclnnLayerNorm", "input normalized_shape weight bias eps:double >out >mean >rstd")
def layer_norm(
    x: np.ndarray, shape: Sequence[int], weight: Optional, bias: Optional, eps: float
) -> Arrays:
    """Return x normalised over its last axes, its mean, and 1 / its deviation."""
    axes = tuple(range(x.ndim - len(shape), x.ndim))
    mean = x.mean(axis=axes, keepdims=True)
    rstd = 1 / np.sqrt(np.square(x - mean).mean(axis=axes, keepdims=True) + eps)
    return _scaled((x - mean) * rstd, weight, bias), mean, rstd


@aclnn(
    "aclnnLayerNormBackward",
    "grad_out input normalized_shape mean rstd weight bias output_mask"
    " >grad_input >grad_weight >grad_bias",
)
def layer_norm_backward(
    gradient: np.ndarray,
    x: np.ndarray,
    shape: Sequence[int],
    mean: np.ndarray,
    rstd: np.ndarray,
    weight: Optional,
    bias: Optional,
    output_mask: Sequence[bool],
) -> tuple[Any, ...]:
    """Return the gradients of x, weight and bias that ``output_mask`` asks for."""
    gamma = np.ones(shape, np.float32) if weight is None else weight
    return _masked(gradients_of_layer_norm(gradient, x, mean, rstd, gamma), output_mask)


@aclnn(
    "aclnnGroupNorm",
    "self gamma beta n:int64 c:int64 hw:int64 group:int64 eps:double >out >mean >rstd",
)
def group_norm(
    x: np.ndarray,
    gamma: Optional,
    beta: Optional,
    n: int,
    c: int,
    hw: int,
    group: int,
    eps: float,
) -> Arrays:
    """Return x normalised over each group of channels, the groups' means, and 1 / deviations."""
    grouped = x.reshape(n, group, -1)
    y, mean, rstd = layer_norm(grouped, grouped.shape[2:], None, None, eps)
    affine = [None if one is None else by_channel(one, x) for one in (gamma, beta)]
    return _scaled(y.reshape(x.shape), *affine), mean.reshape(n, group), rstd.reshape(n, group)


@aclnn(
    "aclnnGroupNormBackward",
    "grad_out self mean rstd gamma n:int64 c:int64 hw:int64 group:int64 output_mask"
    " >grad_input >grad_gamma >grad_beta",
)
def group_norm_backward(
    gradient: np.ndarray,
    x: np.ndarray,
    mean: np.ndarray,
    rstd: np.ndarray,
    gamma: Optional,
    n: int,
    c: int,
    hw: int,
    group: int,
    output_mask: Sequence[bool],
) -> tuple[Any, ...]:
    """Return the gradients of x, gamma and beta that ``output_mask`` asks for."""
    scaled = gradient if gamma is None else gradient * by_channel(gamma, x)
    grouped = x.reshape(n, group, -1)
    statistics = mean.reshape(n, group, 1), rstd.reshape(n, group, 1)
    ones = np.ones(grouped.shape[2:], np.float32)
    of_x = gradients_of_layer_norm(scaled.reshape(grouped.shape), grouped, *statistics, ones)[0]
    normalized = ((grouped - statistics[0]) * statistics[1]).reshape(x.shape)
    axes = other_axes(x)
    of_gamma, of_beta = (gradient * normalized).sum(axis=axes), gradient.sum(axis=axes)
    return _masked((of_x.reshape(x.shape), of_gamma, of_beta), output_mask)


@aclnn(
    "aclnnBatchNorm",
    "input weight bias &running_mean &running_var training:bool momentum:double eps:double"
    " >output >save_mean >save_invstd",
)
def batch_norm(
    x: np.ndarray,
    weight: Optional,
    bias: Optional,
    running_mean: Optional,
    running_var: Optional,
    training: bool,
    momentum: float,
    eps: float,
) -> tuple[Any, ...]:
    """Return x normalised by its batch, or by the running statistics unless it is training.

    Returned are first the running statistics, with a share ``momentum`` of the batch's, of the
    unbiased variance; at last the batch's mean and 1 / its deviation.
    """
    affine = [None if one is None else by_channel(one, x) for one in (weight, bias)]
    if not training:
        rstd = 1 / np.sqrt(_required(running_var) + eps)
        y = (x - by_channel(_required(running_mean), x)) * by_channel(rstd, x)
        return running_mean, running_var, _scaled(y, *affine), None, None
    mean, variance, size = (
        x.mean(axis=other_axes(x)),
        x.var(axis=other_axes(x)),
        x.size / x.shape[1],
    )
    rstd = 1 / np.sqrt(variance + eps)
    y = _scaled((x - by_channel(mean, x)) * by_channel(rstd, x), *affine)
    if running_mean is not None and running_var is not None:
        unbiased = variance * (size / (size - 1) if size > 1 else 1)
        running_mean = (1 - momentum) * running_mean + momentum * mean
        running_var = (1 - momentum) * running_var + momentum * unbiased
    return running_mean, running_var, y, mean, rstd


@aclnn(
    "aclnnBatchNormBackward",
    "grad_out input weight running_mean running_var save_mean save_invstd training:bool eps:double"
    " output_mask >grad_input >grad_weight >grad_bias",
)
def batch_norm_backward(
    gradient: np.ndarray,
    x: np.ndarray,
    weight: Optional,
    running_mean: Optional,
    running_var: Optional,
    save_mean: Optional,
    save_invstd: Optional,
    training: bool,
    eps: float,
    output_mask: Sequence[bool],
) -> tuple[Any, ...]:
    """Return the gradients of x, weight and bias that ``output_mask`` asks for."""
    if training:
        mean, rstd = _required(save_mean), _required(save_invstd)
    else:
        mean, rstd = _required(running_mean), 1 / np.sqrt(_required(running_var) + eps)
    mean, rstd = by_channel(mean, x), by_channel(rstd, x)
    scaled = gradient if weight is None else gradient * by_channel(weight, x)
    normalized, axes = (x - mean) * rstd, other_axes(x)
    of_x = scaled
    if training:
        along = normalized * (scaled * normalized).mean(axis=axes, keepdims=True)
        of_x = scaled - scaled.mean(axis=axes, keepdims=True) - along
    of_weight, of_bias = (gradient * normalized).sum(axis=axes), gradient.sum(axis=axes)
    return _masked((of_x * rstd, of_weight, of_bias), output_mask)


def _scaled(x: np.ndarray, weight: Optional, bias: Optional) -> np.ndarray:
    y = x if weight is None else x * weight
    return y if bias is None else y + bias


def _required(statistics: Optional) -> np.ndarray:
    if statistics is None:
        raise ValueError("statistics are missing")
    return statistics


def _masked(gradients: Sequence[np.ndarray], wanted: Sequence[bool]) -> tuple[Any, ...]:
    """Return gradients, None for those that nobody asks for."""
    return tuple(one if ask else None for one, ask in zip(gradients, wanted, strict=True))
