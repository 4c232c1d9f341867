"""Exact formulations of the operator's parts in turns, on this device.

All candidates of a case compute one function of one input. The first is the one the literature
writes down; the others are compared with it.
"""

from __future__ import annotations

from collections.abc import Callable

import mindspore as ms
import numpy as np
from mindspore import Tensor, nn, ops

from acmix.bench.throughput import measure, speed_up
from acmix.environment import describe
from acmix.layers.acmix import ACmix
from acmix.layers.attention.local import LocalAttention, coordinate_grid
from acmix.utils.table import Style, render_table

# (channels, heads, side of the map): the stages of Swin-T and of ResNet-50 at 224 x 224.
CONV_CASES = ((96, 3, 56), (192, 6, 28), (384, 12, 14), (768, 24, 7), (64, 4, 56), (256, 4, 14))
LOCAL_CASES = ((64, 4, 56), (128, 4, 28), (256, 4, 14), (512, 4, 7))


class ConvByDefinition(nn.Cell):
    """The convolution path after q, k and v: fully connected layer, then group convolution."""

    def __init__(self, operator: ACmix):
        super().__init__()
        self.operator = operator

    def construct(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to (B, C, H, W)."""
        return self.operator.conv_path(*self.operator.qkv(x, x))


class LocalByUnfold(nn.Cell):
    """Local attention with k_a^2 copies of keys and values, stride 1."""

    def __init__(self, attention: LocalAttention):
        super().__init__()
        self.attention = attention
        border = attention.kernel_size // 2
        self.pad = nn.ReflectionPad2d((border, border, border, border))

    def construct(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Take q, k, v (B, C, H, W); return (B, C, H, W)."""
        own = self.attention
        size, shape = own.kernel_size, q.shape
        pixels = shape[2] * shape[3]
        position = ops.matmul(own.position_weight, coordinate_grid(shape[2], shape[3]))
        k = (k.reshape((-1, own.head_dim, pixels)) - position).reshape(shape)
        copies = (-1, own.head_dim, size * size, pixels)
        k = ops.unfold(self.pad(k), size).reshape(copies)
        v = ops.unfold(self.pad(v), size).reshape(copies)
        q = (q * own.scale).reshape((-1, own.head_dim, 1, pixels))
        weights = ops.Softmax(1)(ops.ReduceSum()(q * k, 1)).expand_dims(1)
        return ops.ReduceSum()(weights * v, 2).reshape(shape)


class Backward(nn.Cell):
    """Forward and backward: the gradients of a Cell by its inputs and parameters."""

    def __init__(self, network: nn.Cell):
        super().__init__()
        self.network = network
        self.parameters = ms.ParameterTuple(network.trainable_params())
        self.gradient = ops.GradOperation(get_all=True, get_by_list=True, sens_param=True)

    def construct(self, *inputs: Tensor):
        """Return the gradients for a cotangent equal to the first input."""
        return self.gradient(self.network, self.parameters)(*inputs, inputs[0])


def conv_candidates(channels: int, num_heads: int) -> dict[str, nn.Cell]:
    """Return the formulations of the convolution path, with the same weights."""

    def operator(impl: str) -> ACmix:
        return ACmix(channels, num_heads=num_heads, combine="conv", conv_impl=impl)

    first = operator("group")
    folded = {impl: operator(impl) for impl in ("group", "block")}
    state = {parameter.name: parameter for parameter in first.get_parameters()}
    for network in folded.values():
        ms.load_param_into_net(network, state)
    return {"fc, group": ConvByDefinition(first)} | {
        f"folded, {impl}": network for impl, network in folded.items()
    }


def local_candidates(channels: int, num_heads: int) -> dict[str, nn.Cell]:
    """Return the formulations of 7 x 7 local attention, with the same weights."""
    first = LocalAttention(channels, num_heads)
    chosen: dict[str, nn.Cell] = {"unfold": LocalByUnfold(first)}
    state = {parameter.name: parameter for parameter in first.get_parameters()}
    for layout in ("halo", "whole", "auto"):
        network = LocalAttention(channels, num_heads, layout=layout)
        ms.load_param_into_net(network, state)
        chosen[layout] = network
    return chosen


def formulations(
    *,
    batch_size: int = 8,
    warmup: int = 2,
    repeats: int = 7,
    conv_cases: tuple[tuple[int, int, int], ...] = CONV_CASES,
    local_cases: tuple[tuple[int, int, int], ...] = LOCAL_CASES,
    style: Style = "markdown",
) -> str:
    """Measure all formulations forward and backward and render one table.

    A case is (channels, heads, side of the map); ``whole`` is left out above 28 x 28 pixels, where
    its logits grow with the fourth power of the side.
    """
    generator = np.random.default_rng(0)
    rows = []
    for what, cases, make, count in (
        ("convolution path", conv_cases, conv_candidates, 1),
        ("7 x 7 attention", local_cases, local_candidates, 3),
    ):
        for channels, num_heads, side in cases:
            shape = (batch_size, channels, side, side)
            inputs = [
                Tensor(generator.standard_normal(shape).astype(np.float32)) for _ in range(count)
            ]
            networks = make(channels, num_heads)
            if side > 28:
                networks.pop("whole", None)
            timings = {}
            for direction, wrap in (("forward", None), ("backward", Backward)):
                calls = {
                    name: _call(network if wrap is None else wrap(network), inputs)
                    for name, network in networks.items()
                }
                timings[direction] = measure(
                    calls, warmup=warmup, repeats=repeats, batch_size=batch_size
                )
            for forward, backward in zip(timings["forward"], timings["backward"], strict=True):
                row = [f"{what}, {channels} ch, {num_heads} heads, {side} x {side}", forward.name]
                for own, all_timings in (
                    (forward, timings["forward"]),
                    (backward, timings["backward"]),
                ):
                    ratio = speed_up(own, all_timings[0])
                    row += [f"{own.median * 1e3:.1f}", f"{ratio.median:.2f}x"]
                rows.append(row)
    header = ["case", "formulation", "forward ms", "speed-up", "with backward ms", "speed-up"]
    facts = describe()
    conditions = (
        f"{facts['device']} ({facts['cpu']}, {facts['cores']} cores), MindSpore "
        f"{facts['mindspore']}, batch {batch_size}, float32; medians of {repeats} interleaved "
        f"rounds after {warmup} of warm-up."
    )
    return f"{render_table(header, rows, style)}\n\n{conditions}"


def _call(network: nn.Cell, inputs: list[Tensor]) -> Callable[[], object]:
    return lambda: network(*inputs)
