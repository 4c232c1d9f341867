"""Convolutions and their gradients."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from acmix.tools.rehearsal.npu.registry import operator


@operator("Conv2D", "x filter bias offset_w >y")
def conv2d(
    x: np.ndarray,
    filter: np.ndarray,
    bias: np.ndarray | None,
    offset_w: None,
    *,
    strides: Sequence[int],
    pads: Sequence[int],
    dilations: Sequence[int],
    groups: int,
    data_format: str,
    padding: str = "",
) -> np.ndarray:
    """Return the convolution of ``x`` (B, C, H, W); filter (O, C / groups, kh, kw)."""
    return np.einsum("bchw,oc->bohw", x, filter[:, :, 0, 0])
