"""Attention of a pixel to all others, measured on any attention mode by gradients."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import mindspore as ms
import numpy as np
from mindspore import Tensor, nn, ops

from acmix.errors import check, suggest
from acmix.layers.acmix import ACmix
from acmix.utils.modes import evaluation_mode, execution_mode


def attention_layers(network: nn.Cell) -> dict[str, ACmix]:
    """Return the operators of ``network`` with an attention path by name, in order of depth."""
    return {
        name: cell
        for name, cell in network.cells_and_names()
        if isinstance(cell, ACmix) and cell.attention is not None
    }


def attention_shares(
    network: nn.Cell, image: np.ndarray, query: tuple[int, int], layer: str | None = None
) -> np.ndarray:
    r"""Return the share of each pixel in the output at a query, for each head.

    The output of every mode is linear in v. Let v be x on pixel j of head n and 0
    elsewhere. The response at the query is :math:`A_{nj} W x`, with the attention A and the
    projections W after it. With r the response to a v that is x on all pixels, the share is

    .. math:: A_{nj} / \textstyle\sum_j A_{nj} = \partial (r^\top o) / \partial v_j \cdot x / r^2

    which takes one backward pass per head. If the weights of a query add up to 1, as after a
    softmax, the shares are these weights, normalised over pixels. A class token has no share.
    Weights without a softmax may be negative; weights that differ within a head contribute
    their sum.

    Args:
        network: a Cell with ACmix operators.
        image: (C_in, H, W), as the network expects it.
        query: row and column of a pixel of the image.
        layer: name of the operator; the last one if None.

    Returns:
        Shares (N, H', W') on the map of the operator's keys; they add up to 1 per head.

    Raises:
        UserError: no such layer or pixel, or the mode is not linear in v.
    """
    layers = attention_layers(network)
    check(bool(layers), "The network has no attention: its operators only convolve.")
    layer = next(reversed(layers)) if layer is None else layer
    check(layer in layers, f"layer='{layer}' has no attention.{suggest(layer, layers)}")
    height, width = image.shape[1:]
    check(
        0 <= query[0] < height and 0 <= query[1] < width,
        f"query={query[0]},{query[1]} is outside of the image of {height} x {width} pixels.",
    )
    operator = layers[layer]
    attention = operator.attention
    is_tokens = operator.data_format == "NHWC"
    with execution_mode(ms.PYNATIVE_MODE), evaluation_mode(network):
        q, k, v, *extra = _arguments(network, attention, Tensor(image[None]))

        def response(v: Tensor) -> Tensor:
            """Return the output at the query, (C,), as a function of v."""
            out = attention(q, k, v, *extra)
            out = out[0] if isinstance(out, tuple) else out
            out = out if is_tokens else out.transpose(0, 2, 3, 1)
            row, column = (
                at * side // full
                for at, side, full in zip(query, out.shape[1:3], (height, width), strict=True)
            )
            return out.reshape((-1, out.shape[3]))[row * out.shape[2] + column]

        heads = operator.num_heads
        shares = [
            _share(response, v, probe, is_tokens) for probe in _head_probes(v, heads, is_tokens)
        ]
    return np.stack(shares)


def _arguments(network: nn.Cell, attention: nn.Cell, images: Tensor) -> tuple[Any, ...]:
    """Run the network and return the arguments of its attention."""
    seen: list[tuple[Any, ...]] = []
    with _hook(attention, lambda cell, arguments: seen.append(arguments)):
        network(images)
    return seen[0]


@contextmanager
def _hook(cell: nn.Cell, function: Callable[[nn.Cell, tuple[Any, ...]], None]) -> Iterator[None]:
    handle = cell.register_forward_pre_hook(function)
    try:
        yield
    finally:
        handle.remove()


def _head_probes(v: Tensor, heads: int, is_tokens: bool) -> Iterator[Tensor]:
    """Yield for each head a v that is 1 on its channels and 0 elsewhere."""
    channels = v.shape[3] if is_tokens else v.shape[1]
    for chosen in np.eye(heads, dtype=np.float32):
        probe = np.repeat(chosen, channels // heads)
        probe = probe if is_tokens else probe[:, None, None]
        yield Tensor(np.broadcast_to(probe, v.shape).copy())


def _share(
    response: Callable[[Tensor], Tensor], v: Tensor, probe: Tensor, is_tokens: bool
) -> np.ndarray:
    offset = response(ops.zeros_like(v))  # biases, and tokens that are not pixels
    linear = response(probe) - offset
    doubled = response(2 * probe) - offset
    size = float(ops.square(linear).sum().asnumpy())
    check(
        float(ops.square(doubled - 2 * linear).sum().asnumpy()) <= 1e-6 * size,
        "The attention mode is not linear in v, so its output has no shares by pixel.",
    )
    gradient = ms.grad(lambda v: (response(v) * linear).sum())(v)
    return (gradient * probe).sum(-1 if is_tokens else 1)[0].asnumpy() / size
