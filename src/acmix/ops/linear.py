"""Linear maps over the channels of maps and of tokens, and the choice of rows by index."""

from __future__ import annotations

from collections.abc import Callable

import mindspore as ms
import numpy as np
from mindspore import Tensor, ops

from acmix.ops.constants import tensor_constant


def project(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    data_format: str,
    stride: int = 1,
    add_bias: Callable[[Tensor, Tensor], Tensor] = ops.bias_add,
) -> Tensor:
    """Apply a 1x1 convolution.

    Args:
        x: (B, C_in, H, W) for ``NCHW``, (B, H, W, C_in) for ``NHWC``.
        weight: (C_out, C_in).
        bias: (C_out,) or None.
        data_format: ``NCHW`` or ``NHWC``.
        stride: between the pixels that are projected, for ``NCHW``.
        add_bias: adds a bias to rows, for ``NHWC``.

    Returns:
        (B, C_out, ceil(H / stride), ceil(W / stride)) or (B, H, W, C_out).
    """
    outputs, inputs = weight.shape
    weight = weight.astype(x.dtype)
    if data_format == "NCHW":
        step = (stride, stride)
        conv = ops.Conv2D(outputs, (1, 1), pad_mode="valid", stride=step, dilation=(1, 1))
        y = conv(x, weight.reshape((outputs, inputs, 1, 1)))
        return y if bias is None else ops.bias_add(y, bias.astype(x.dtype))
    _, height, width, _ = x.shape
    y = ops.MatMul(transpose_b=True)(x.reshape((-1, inputs)), weight)
    if bias is not None:
        y = add_bias(y, bias.astype(x.dtype))
    return y.reshape((-1, height, width, outputs))


def split_rows(x: Tensor, sizes: tuple[int, ...]) -> tuple[Tensor, ...]:
    """Split the first axis into parts of these sizes.

    Equal parts come from one operator, whose gradient is one concatenation. Others are slices.
    """
    return ops.split(x, sizes[0] if min(sizes) == max(sizes) else sizes, 0)


def rescale(x: Tensor, factor: float) -> Tensor:
    """Multiply by a constant, which may be 1 for free."""
    return x if factor == 1 else x * factor


def add_to_each(x: Tensor, term: Tensor, as_bias: bool = False) -> Tensor:
    """Add one term to every element of a batch: (B, ...) and (...) to (B, ...).

    Args:
        x: the batch; its elements may also be given with other sides that hold as many numbers.
        term: what is added to each.
        as_bias: by a BiasAdd with a channel for each number of an element. On CPU MindSpore 2.8
            looks two 64-bit indices up for each number of a broadcast sum, and keeps them.
    """
    if not as_bias:
        return x.reshape((-1, *term.shape)) + term
    flat = term.reshape((-1,))
    y = ops.bias_add(x.reshape((-1, flat.shape[0])), flat)
    return y.reshape((-1, *term.shape))


def transposed(x: Tensor, factor: float = 1.0, by_product: bool = False) -> Tensor:
    """Transpose matrices, and multiply them by a constant: (S, M, N) to (S, N, M).

    Args:
        x: the matrices.
        factor: of the result.
        by_product: as a product with the identity, which is exact. On CPU MindSpore 2.8 looks up a
            64-bit index for each number that it transposes; where one side is short, a product is
            faster. S must be known: batched products do not broadcast there.
    """
    if not by_product:
        return rescale(x, factor).transpose(0, 2, 1)
    sequences, rows, columns = x.shape
    identity = _identities(sequences, min(rows, columns), factor).astype(x.dtype)
    if rows < columns:
        return ops.BatchMatMul(transpose_a=True)(x, identity)
    return ops.BatchMatMul(transpose_b=True)(identity, x)


@tensor_constant
def _identities(count: int, size: int, factor: float) -> np.ndarray:
    return np.tile(factor * np.eye(size, dtype=np.float32), (count, 1, 1))


def take_rows(x: Tensor, index: Tensor) -> Tensor:
    """Take the rows ``index`` of each matrix: (B, L, d) and (M,) or (B, M) to (B, M, d).

    The one place where the library gathers. A row is one contiguous run of d numbers, so this is a
    plain copy in a new order. In windows and neighbourhoods (M,) is a constant of the graph; in
    detectors every image has an index of its own, and B must be static: the rows of all images are
    counted through, as MindSpore's ONNX exporter forgets ``batch_dims`` without a word. An index
    outside of 0..L-1 is undefined.
    """
    if index.ndim == 1:
        return ops.Gather()(x, index, 1)
    batch, length, channels = x.shape
    if batch != 1:
        index = index.astype(ms.int32) + _first_rows(batch, length)
    rows = ops.Gather()(x.reshape((-1, channels)), index.reshape((-1,)), 0)
    return rows.reshape((batch, -1, channels))


@tensor_constant
def _first_rows(batch: int, length: int) -> np.ndarray:
    return (np.arange(batch, dtype=np.int32) * length)[:, None]


def take_elements(x: Tensor, index: Tensor) -> Tensor:
    """Take elements of each row: (B, L) and (B, M) to (B, M)."""
    return take_rows(x.expand_dims(2), index).reshape(index.shape)


def to_maps(tokens: Tensor) -> Tensor:
    """Turn tokens (B, H, W, C) into maps (B, C, H, W)."""
    _, height, width, channels = tokens.shape
    x = tokens.reshape((-1, height * width, channels)).transpose(0, 2, 1)
    return x.reshape((-1, channels, height, width))


def to_tokens(maps: Tensor) -> Tensor:
    """Turn maps (B, C, H, W) into tokens (B, H, W, C)."""
    _, channels, height, width = maps.shape
    x = maps.reshape((-1, channels, height * width)).transpose(0, 2, 1)
    return x.reshape((-1, height, width, channels))
