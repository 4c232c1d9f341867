"""Parts of the networks that have several equivalent formulations."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import mindspore as ms
import numpy as np
from mindspore import Tensor, nn, ops

from acmix.layers.acmix import ACmix
from acmix.layers.attention.local import LocalAttention, coordinate_grid
from acmix.layers.gelu import GELU
from acmix.layers.norm import LayerNorm
from acmix.layers.softmax import Softmax
from acmix.models.detection.pooler import MultiLevelPooler
from acmix.models.detection.roi_head import BOX_SIDE
from acmix.ops.constants import tensor_constant
from acmix.ops.gelu import SCALE, scaled_gelu

Case = tuple[int, ...]


@dataclass(frozen=True)
class Part:
    """A part of a network with candidates that compute the same function.

    Attributes:
        name: of the part.
        cases: sizes to measure; the last of each is the side of the feature map.
        label: format string of a case.
        candidates: takes a case without the side and returns the formulations by name. The first
            is that of the literature or the framework.
        inputs: number of arguments.
        tokens: arguments are (B, H * W, C) instead of (B, C, H, W).
        largest: largest side by name of a formulation; larger cases skip it.
    """

    name: str
    cases: tuple[Case, ...]
    label: str
    candidates: Callable[..., dict[str, nn.Cell]]
    inputs: int = 1
    tokens: bool = False
    largest: tuple[tuple[str, int], ...] = ()

    def networks(self, case: Case) -> dict[str, nn.Cell]:
        """Return the formulations of a case by name."""
        *sizes, side = case
        chosen = self.candidates(*sizes)
        for name, largest in self.largest:
            if side > largest:
                del chosen[name]
        return chosen

    def arguments(self, case: Case, batch_size: int) -> list[Tensor]:
        """Return random inputs."""
        generator, channels, side = np.random.default_rng(0), case[0], case[-1]
        of_image = (side * side, channels) if self.tokens else (channels, side, side)
        return [
            Tensor(generator.standard_normal((batch_size, *of_image)).astype(np.float32))
            for _ in range(self.inputs)
        ]


class ConvByDefinition(nn.Cell):
    """The convolution path after q, k and v: fully connected layer, then group convolution."""

    def __init__(self, operator: ACmix):
        super().__init__()
        self.operator = operator

    def construct(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to (B, C, H, W)."""
        return self.operator.conv_path(*self.operator.qkv(x, x))


class LocalByUnfold(nn.Cell):
    """Local attention exactly as in Eq. 21: k_a^2 copies of keys, values and positions."""

    def __init__(self, attention: LocalAttention):
        super().__init__()
        self.attention = attention
        border = attention.kernel_size // 2
        self.pad = nn.ReflectionPad2d((border, border, border, border))

    def construct(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Take q, k, v (B, C, H, W); return (B, C, H, W)."""
        own = self.attention
        _, _, height, width = q.shape
        one = (-1, own.head_dim, 1, height * width)
        position = ops.matmul(own.position_weight, coordinate_grid(height, width))
        position = position + own.position_bias.reshape((-1, 1))
        copies = self._copies(position.reshape((1, -1, height, width)))
        keys = self._copies(k) + (position.reshape(one) - copies)
        logits = ops.ReduceSum()((q * own.scale).reshape(one) * keys, 1)
        weights = ops.Softmax(1)(logits).expand_dims(1)
        return ops.ReduceSum()(weights * self._copies(v), 2).reshape(q.shape)

    def _copies(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to (B C / d, d, k_a^2, H W): the neighbours of every pixel."""
        size, (_, _, height, width) = self.attention.kernel_size, x.shape
        copies = (-1, self.attention.head_dim, size * size, height * width)
        return ops.unfold(self.pad(x), size).reshape(copies)


def conv_candidates(channels: int, num_heads: int) -> dict[str, nn.Cell]:
    """Return the formulations of the convolution path, with the same weights."""

    def operator(impl: str) -> ACmix:
        return ACmix(channels, num_heads=num_heads, combine="conv", conv_impl=impl)

    first = operator("group")
    composed = {impl: operator(impl) for impl in ("dense", "group", "block")}
    state = {parameter.name: parameter for parameter in first.get_parameters()}
    for network in composed.values():
        ms.load_param_into_net(network, state)
    return {"fc, group": ConvByDefinition(first)} | {
        f"composed, {impl}": network for impl, network in composed.items()
    }


def local_candidates(channels: int, num_heads: int) -> dict[str, nn.Cell]:
    """Return the formulations of 7 x 7 local attention, with the same weights."""
    first = LocalAttention(channels, num_heads)
    chosen: dict[str, nn.Cell] = {"unfold": LocalByUnfold(first)}
    state = {parameter.name: parameter for parameter in first.get_parameters()}
    for impl in ("halo", "whole", "auto"):
        network = LocalAttention(channels, num_heads, impl=impl)
        ms.load_param_into_net(network, state)
        chosen[impl] = network
    return chosen


def rescaled_gelu(x: Tensor) -> Tensor:
    """Return the GELU of the inference form, with the factors of its neighbouring layers."""
    return scaled_gelu(x * SCALE) / SCALE


class ApplyGelu(nn.Cell):
    """Cell that applies a formulation of GELU."""

    def __init__(self, formulation: Callable[[Tensor], Tensor]):
        super().__init__()
        self.formulation = formulation

    def construct(self, x: Tensor) -> Tensor:
        """Apply the formulation to a tensor of any shape."""
        return self.formulation(x)


class PoolByOperator(nn.Cell):
    """RoIAlign of ``count`` boxes by MindSpore's operator."""

    def __init__(self, count: int):
        super().__init__()
        self.count = count
        # Its boxes end a pixel after the last one; half a pixel of the map makes them "aligned".
        self.shift = np.array([0, 0.5, 0.5, 1.5, 1.5], np.float32)
        self.align = ops.ROIAlign(BOX_SIDE, BOX_SIDE, 1.0, 2, 1)

    def construct(self, maps: Tensor) -> Tensor:
        """(B, C, H, H) to (B, R, C, P, P)."""
        batch, channels, side, _ = maps.shape
        boxes = random_boxes(batch, self.count, side).reshape((-1, 5)) - Tensor(self.shift)
        return self.align(maps, boxes).reshape((batch, -1, channels, BOX_SIDE, BOX_SIDE))


class PoolByRows(nn.Cell):
    """RoIAlign of ``count`` boxes as detectors have it."""

    def __init__(self, count: int):
        super().__init__()
        self.count, self.pooler = count, MultiLevelPooler(BOX_SIDE, (1,))

    def construct(self, maps: Tensor) -> Tensor:
        """(B, C, H, H) to (B, R, C, P, P)."""
        batch, _, side, _ = maps.shape
        return self.pooler((maps,), random_boxes(batch, self.count, side)[:, :, 1:])


@tensor_constant
def random_boxes(batch: int, count: int, side: int) -> np.ndarray:
    """Return (B, R, 5): image, x1, y1, x2, y2 of boxes on a map."""
    corners = np.sort(np.random.default_rng(0).random((batch, count, 2, 2)), 2) * side
    images = np.broadcast_to(np.arange(batch).reshape(-1, 1, 1), (batch, count, 1))
    return np.concatenate([images, corners.reshape(batch, count, 4)], 2).astype(np.float32)


def pooling_candidates(channels: int, count: int) -> dict[str, nn.Cell]:
    """Return MindSpore's RoIAlign and ours."""
    return {"MindSpore's": PoolByOperator(count), "rows, two products": PoolByRows(count)}


def layer_norm_candidates(channels: int) -> dict[str, nn.Cell]:
    """Return MindSpore's LayerNorm and ours."""
    return {
        "MindSpore's": nn.LayerNorm((channels,), epsilon=1e-5),
        "products": LayerNorm(channels),
    }


def softmax_candidates(keys: int) -> dict[str, nn.Cell]:
    """Return MindSpore's softmax and ours, which differ in the gradient."""
    return {"MindSpore's": nn.Softmax(-1), "gradient by product": Softmax()}


def gelu_candidates(channels: int) -> dict[str, nn.Cell]:
    """Return the exact GELU of MindSpore, ours, and that of the inference form."""
    return {
        "MindSpore's": nn.GELU(approximate=False),
        "error function": GELU(),
        "logistic function": ApplyGelu(rescaled_gelu),
    }


# The stages of Swin-T, of ResNet-50 and of PVT-S at 224 x 224.
PARTS = (
    Part(
        "convolution path",
        (
            (96, 3, 56),
            (192, 6, 28),
            (384, 12, 14),
            (768, 24, 7),
            (64, 4, 56),
            (256, 4, 14),
            (64, 1, 56),
            (128, 2, 28),
            (320, 5, 14),
        ),
        "{0} ch, {1} heads, {2} x {2}",
        conv_candidates,
    ),
    Part(
        "7 x 7 attention",
        ((64, 4, 56), (128, 4, 28), (256, 4, 14), (512, 4, 7)),
        "{0} ch, {1} heads, {2} x {2}",
        local_candidates,
        inputs=3,
        # Its logits grow with the fourth power of the side of the map.
        largest=(("whole", 28),),
    ),
    Part(
        "LayerNorm", ((96, 56), (384, 14)), "{0} ch, {1} x {1}", layer_norm_candidates, tokens=True
    ),
    Part("softmax", ((49, 56), (100, 56)), "{0} keys, {1} x {1}", softmax_candidates, tokens=True),
    Part("GELU", ((384, 56), (1536, 14)), "{0} ch, {1} x {1}", gelu_candidates, tokens=True),
    Part(
        "RoIAlign",
        ((256, 32, 56), (64, 128, 28)),
        "{0} ch, {1} boxes, {2} x {2}",
        pooling_candidates,
    ),
)
