"""The largest numbers of rows."""

from __future__ import annotations

import mindspore as ms
from mindspore import Tensor, ops


def largest(values: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Return the ``count`` largest numbers of each row, falling, and their places.

    CANN declares the count as int32. MindSpore's Ascend back end passes a Python number on as int64
    at jit_level O2 and for AIR, a tensor as it is.

    Args:
        values: (..., L).
        count: at most L.

    Returns:
        Numbers (..., count), and places (..., count), int32.
    """
    return ops.TopK()(values, Tensor(count, ms.int32))
