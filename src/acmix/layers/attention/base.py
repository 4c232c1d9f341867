"""The contract between ACmix and its attention modes."""

from __future__ import annotations

from typing import Any

from mindspore import Tensor, nn

from acmix.errors import check
from acmix.utils.cells import Shape, kept_arguments
from acmix.utils.registry import Registry


class AttentionMode(nn.Cell):
    """Stage II of self-attention: from q, k and v to the attention path's output.

    A subclass defines ``construct(q, k, v)`` and takes ``dim`` (channels of v and of the output),
    ``num_heads`` and its own arguments. :class:`acmix.ACmix` passes ``in_channels``,
    ``qk_channels``, ``stride`` and ``dilation`` only to constructors that name them. A subclass
    overrides the defaults below where they do not hold.

    Attributes:
        data_format: ``NCHW``, maps (B, C, H, W), or ``NHWC``, tokens (B, H, W, C).
        rolls: whether the map is rolled by :meth:`active_shift`.
        softmax_over_keys: whether the weights of a pixel are a softmax of its products with keys.
            The inference form then drops the bias of k and moves that of v.
        reduction: factor between the sides of x and of :meth:`context`.
        scale: factor of q. The inference form moves it into the projection and sets 1.
        proj: the linear layer that computes the output, None if there is none.
    """

    data_format = "NCHW"
    rolls = False
    softmax_over_keys = False

    def __init__(self) -> None:
        super().__init__()
        self.reduction = 1
        self.scale = 1.0
        self.proj: Any = None

    def extend_repr(self) -> str:
        """Return what ``print`` shows of the Cell beside its parts."""
        return kept_arguments(self)

    def context(self, x: Tensor) -> Tensor:
        """Return the map that k and v are projected from: x itself."""
        return x

    def context_size(self, height: int, width: int) -> tuple[int, int]:
        """Return the height and width of :meth:`context` for an H x W map."""
        return height, width

    def active_shift(self, height: int, width: int) -> int:
        """Return by how many pixels an H x W map is rolled: 0."""
        return 0

    def no_weight_decay(self) -> set[str]:
        """Return the names of parameters that must not decay: none."""
        return set()

    def macs(self, q_shape: Shape, k_shape: Shape, v_shape: Shape) -> dict[str, int]:
        """Return the multiply-adds outside of child Cells, by kind: none."""
        return {}


def check_neighbourhood(kernel_size: int, stride: int = 1) -> None:
    """Raise UserError unless a neighbourhood has a pixel in its centre and a stride is positive."""
    check(
        kernel_size >= 1 and kernel_size % 2 == 1,
        f"kernel_size must be an odd number of at least 1, got {kernel_size}.",
    )
    check(stride >= 1, f"stride must be at least 1, got {stride}.")


ATTENTION: Registry[type[AttentionMode]] = Registry("attention mode")
"""The modes by name."""

register_attention = ATTENTION.register
"""Decorate a class to register it as an attention mode; a name taken is an error."""
