"""Small Cells shared by the backbones, each with the initialiser of its paper."""

from __future__ import annotations

from typing import Any

import numpy as np
from mindspore import Tensor, nn
from mindspore.common.initializer import HeNormal, TruncatedNormal, Uniform

from acmix.layers.gelu import GELU
from acmix.layers.inference import absorb_input, absorb_output
from acmix.layers.norm import LayerNorm
from acmix.layers.row_bias import row_bias
from acmix.ops.linear import to_tokens
from acmix.ops.padding import pad_to_multiple
from acmix.utils.cells import kept_arguments


def dense(in_channels: int, out_channels: int, has_bias: bool = True) -> nn.Dense:
    """Make a linear layer with the transformers' initialiser: truncated normal 0.02, zero bias."""
    layer = nn.Dense(
        in_channels,
        out_channels,
        weight_init=TruncatedNormal(0.02),
        bias_init="zeros",
        has_bias=has_bias,
    )
    if has_bias:
        layer.bias_add = row_bias()
    return layer


def conv(
    in_channels: int,
    out_channels: int,
    kernel_size: int,
    stride: int = 1,
    padding: int = 0,
    has_bias: bool = False,
) -> nn.Conv2d:
    """Make a convolution with the residual networks' initialiser: He normal over fan-out."""
    init = HeNormal(mode="fan_out", nonlinearity="relu")
    size = in_channels, out_channels, kernel_size, stride
    return _conv(*size, padding, has_bias, init, "zeros", pad_mode="pad")


def torch_conv(
    in_channels: int,
    out_channels: int,
    kernel_size: int,
    stride: int = 1,
    has_bias: bool = True,
    padding: int = 0,
    groups: int = 1,
) -> nn.Conv2d:
    """Make a convolution with torch's default initialiser, as SAN, PVT and Swin."""
    bound = (in_channels // groups * kernel_size**2) ** -0.5
    size = in_channels, out_channels, kernel_size, stride
    return _conv(*size, padding, has_bias, Uniform(bound), Uniform(bound), group=groups)


def patch_conv(
    in_channels: int, out_channels: int, kernel_size: int = 1, stride: int = 1, padding: int = 0
) -> nn.Conv2d:
    """Make a linear layer over patches of maps (B, C, H, W), initialised as :func:`dense`."""
    size = in_channels, out_channels, kernel_size, stride
    return _conv(*size, padding, True, TruncatedNormal(0.02), "zeros")


def _conv(
    in_channels: int,
    out_channels: int,
    kernel_size: int,
    stride: int,
    padding: int,
    has_bias: bool,
    weight_init: Any,
    bias_init: Any,
    pad_mode: str = "",
    group: int = 1,
) -> nn.Conv2d:
    return nn.Conv2d(
        in_channels,
        out_channels,
        kernel_size,
        stride,
        pad_mode=pad_mode or ("pad" if padding else "valid"),
        padding=padding,
        group=group,
        has_bias=has_bias,
        weight_init=weight_init,
        bias_init=bias_init,
    )


def batch_norm(channels: int, epsilon: float = 1e-5) -> nn.BatchNorm2d:
    """Make a BatchNorm with torch's numbers: eps 1e-5, running mean keeps 0.9."""
    return nn.BatchNorm2d(channels, eps=epsilon, momentum=0.9)


def layer_norm(channels: int, epsilon: float = 1e-5) -> LayerNorm:
    """Make a LayerNorm over the last axis with torch's epsilon."""
    return LayerNorm(channels, epsilon)


class PatchEmbed(nn.Cell):
    """Embed non-overlapping patches: (B, C_in, H, W) to (B, ceil(H / p), ceil(W / p), C).

    A linear map, then a LayerNorm unless ``has_norm`` is false.

    A map whose sides are not multiples of the patch size is zero-padded.
    """

    def __init__(self, in_channels: int, embed_dim: int, patch_size: int, has_norm: bool = True):
        super().__init__()
        self.patch_size = patch_size
        self.proj = torch_conv(in_channels, embed_dim, patch_size, patch_size)
        self.norm = layer_norm(embed_dim) if has_norm else nn.Identity()

    def extend_repr(self) -> str:
        """Return what ``print`` shows of the Cell beside its parts."""
        return kept_arguments(self)

    def construct(self, x: Tensor) -> Tensor:
        """Pad, project, normalise."""
        return self.norm(to_tokens(self.proj(pad_to_multiple(x, self.patch_size))))


class Mlp(nn.Cell):
    """Two linear layers with an exact GELU, or another one, between them: (*, C) to (*, C)."""

    def __init__(self, dim: int, hidden_dim: int, activation: GELU | None = None):
        super().__init__()
        self.fc1 = dense(dim, hidden_dim)
        self.fc2 = dense(hidden_dim, dim)
        self.gelu = activation or GELU()
        self.scaled: Any = None

    def construct(self, x: Tensor) -> Tensor:
        """Apply fc1, GELU, fc2."""
        x = self.fc1(x)
        return self.fc2(self.gelu(x) if self.scaled is None else self.scaled(x))

    def absorb_input(self, scale: np.ndarray, shift: np.ndarray) -> bool:
        """See :mod:`acmix.layers.inference`."""
        return absorb_input(self.fc1, scale, shift)

    def for_inference(self) -> nn.Cell:
        """Use the scaled GELU, with its factors in the linear layers."""
        if self.scaled is None:
            form, hidden = self.gelu.scaled(), len(self.fc1.weight)
            absorb_output(self.fc1, np.full(hidden, form.before), np.zeros(hidden))
            absorb_input(self.fc2, np.full(hidden, form.after), np.zeros(hidden))
            self.scaled = form.function
        return self
