"""The arguments of ACmix that networks pass on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, NamedTuple

from acmix.errors import check, suggest
from acmix.layers.conv_path import IMPLEMENTATIONS, VARIANTS


class Combination(NamedTuple):
    """Weight of each path: None (no such path), ``one``, ``learned`` or ``rest`` (1 - alpha)."""

    attention: str | None
    conv: str | None


COMBINATIONS = {
    "attention": Combination("one", None),
    "conv": Combination(None, "one"),
    "sum": Combination("one", "one"),
    "alpha": Combination("learned", "one"),
    "beta": Combination("one", "learned"),
    "complement": Combination("learned", "rest"),
    "both": Combination("learned", "learned"),
}
"""The rows of the paper's Tab. 6 by name; ``both`` is ACmix."""


@dataclass(frozen=True)
class ACmixOptions:
    """How the paths of every ACmix operator of a network are made and combined.

    Args:
        combine: the paths and their weights, a name in ``COMBINATIONS``.
        conv_kernel_size: k_c, odd kernel size of the convolution path.
        conv_variant: ``learnable``, ``random``, ``fixed`` or ``shift``, see :class:`ConvPath`.
        conv_impl: ``auto``, ``dense``, ``group`` or ``block``, see :class:`ConvPath`.
        conv_rolled: convolve the map as the attention's cyclic shift rolls it, wrapping around, as
            the released Swin-ACmix does; False convolves the image, as the paper writes it.
        fc_bias: whether the convolution path's fully connected layer has a bias.
        qkv_bias: whether the projection has a bias.
        qkv_std: standard deviation of the projection's initial weight, 1 / sqrt(C_in) if None.

    Raises:
        UserError: a value is unknown or out of its range.
    """

    combine: str = "both"
    conv_kernel_size: int = 3
    conv_variant: str = "learnable"
    conv_impl: str = "auto"
    conv_rolled: bool = False
    fc_bias: bool = False
    qkv_bias: bool = True
    qkv_std: float | None = None

    def __post_init__(self) -> None:
        for name, known in (
            ("combine", COMBINATIONS),
            ("conv_variant", VARIANTS),
            ("conv_impl", IMPLEMENTATIONS),
        ):
            value = getattr(self, name)
            check(value in known, f"{name}='{value}' is unknown.{suggest(value, known)}")
        check(
            self.conv_kernel_size >= 1 and self.conv_kernel_size % 2 == 1,
            f"conv_kernel_size must be an odd number of at least 1, got {self.conv_kernel_size}.",
        )

    @classmethod
    def names(cls) -> frozenset[str]:
        """Return the names of the options."""
        return frozenset(field.name for field in fields(cls))

    def with_only_attention(self) -> ACmixOptions:
        """Return these options without the convolution path."""
        return replace(self, combine="attention")


def split_options(arguments: Mapping[str, Any]) -> tuple[ACmixOptions, dict[str, Any]]:
    """Split arguments into the options among them and the rest."""
    names = ACmixOptions.names()
    chosen = {name: value for name, value in arguments.items() if name in names}
    rest = {name: value for name, value in arguments.items() if name not in names}
    return ACmixOptions(**chosen), rest


def check_channels(channels: int, qk_channels: int, num_heads: int) -> None:
    """Raise UserError unless q, k and v have whole heads."""
    check(
        num_heads >= 1 and channels % num_heads == 0,
        f"out_channels must be a multiple of num_heads, got {channels} and {num_heads}.",
    )
    check(
        qk_channels % (channels // num_heads) == 0,
        f"qk_channels must be a multiple of out_channels / num_heads = {channels // num_heads}, "
        f"got {qk_channels}.",
    )
