"""The convolution path from the operator's input: data format, cyclic roll and reduced context."""

from __future__ import annotations

from typing import Any

from mindspore import Tensor, nn

from acmix.layers.rearrange import Roll
from acmix.ops.linear import to_maps, to_tokens
from acmix.ops.resample import upsample
from acmix.ops.upsampled_conv import upsampled_conv


class ConvFormulations(nn.Cell):
    """The steps that the trainable and the frozen convolution path have in common.

    A subclass defines how the maps are projected and how they are aggregated.

    Args:
        data_format: of x and of the output, ``NCHW`` or ``NHWC``.
        reduction: factor between the sides of x and of the context. Above 1 both are ``NHWC``, and
            the path keeps the size of the map.
        dense: whether the path is one convolution of its input, or maps and their aggregation.
        dilation: of the convolution.
    """

    def __init__(self, data_format: str, reduction: int, dense: bool, dilation: int):
        super().__init__()
        self.data_format, self.reduction, self.dense = data_format, reduction, dense
        self.dilation, self.roll = dilation, Roll()

    def convolve(
        self,
        x: Tensor,
        context: Tensor,
        weight: Tensor | None,
        bias: Tensor | None,
        scale: Tensor | None = None,
        shift: int = 0,
    ) -> Tensor:
        """Apply the projection and the path to the operator's input.

        Args:
            x: (B, C_in, H, W), or (B, H, W, C_in) for ``NHWC``: q is projected from it.
            context: k and v are projected from it; x itself if ``reduction`` is 1.
            weight: (F * d, C_in), that of the projection; None if frozen.
            bias: (F * d,) or None.
            scale: factor of the output, or None.
            shift: pixels by which the map is rolled up and left, and rolled back at the end.

        Returns:
            (B, C, H', W') or (B, H', W', C).
        """
        x = self.roll(x, -shift)
        folded = self.folded(weight, bias)
        if self.dense:
            maps = x if self.data_format == "NCHW" else to_maps(x)
            out = self.convolve_densely(maps, folded, scale)
        else:
            out = self.aggregate(self._maps(x, context, folded), scale)
        out = out if self.data_format == "NCHW" else self.roll(to_tokens(out), shift)
        if not self.dense or self.reduction == 1:
            return out
        _, height, width, _ = x.shape
        kernel = self.context_kernel(folded, scale)
        return out + upsampled_conv(context, kernel, self.reduction, self.dilation, height, width)

    def _maps(self, x: Tensor, context: Tensor, folded: Any) -> Tensor:
        """Return the maps to aggregate, (B, d * k^2, H, W)."""
        maps = self.project_maps(0, x, folded)
        if self.reduction == 1:
            return maps
        # The projection mixes channels, the enlargement mixes pixels: they commute, so the share of
        # k and v in the maps is computed on the small map and enlarged.
        reduced = self.project_maps(1, context, folded)
        return maps + upsample(reduced, self.reduction, maps.shape[2], maps.shape[3])

    def folded(self, weight: Tensor | None, bias: Tensor | None) -> Any:
        """Return what the other methods need of the projection."""
        raise NotImplementedError

    def project_maps(self, source: int, x: Tensor, folded: Any) -> Tensor:
        """Project x (source 0) or the context (source 1) to their share of the maps."""
        raise NotImplementedError

    def convolve_densely(self, x: Tensor, folded: Any, scale: Tensor | None) -> Tensor:
        """Apply the share of x by one convolution: (B, C_in, H, W) to (B, C, H', W')."""
        raise NotImplementedError

    def context_kernel(self, folded: Any, scale: Tensor | None) -> Tensor:
        """Return the kernel of a reduced context, see :mod:`acmix.ops.upsampled_conv`."""
        raise NotImplementedError

    def aggregate(self, maps: Tensor, scale: Tensor | None = None) -> Tensor:
        """Shift and sum: (B, d * k^2, H, W) to (B, C, H', W'), times ``scale`` if given."""
        raise NotImplementedError
