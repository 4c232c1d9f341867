"""Bounds of the readers of weights; docs/security.md gives the reason of each."""

from __future__ import annotations

from acmix.errors import check
from acmix.utils.text import shorten

MAX_FILE_BYTES = 2**33
"""Largest file of weights; four times the training state of the paper's largest model."""

MAX_UNPACKED_BYTES = 2**32
"""Largest sum of tensors taken from an archive; the paper's largest model has 0.3 GiB."""

MAX_TENSORS = 20_000
"""Most tensors of a file; the largest training state of this package has 3,000."""

MAX_DIMENSIONS = 16
"""Most dimensions of a tensor; NumPy's own bound is 32."""

MAX_NAME = 1000
"""Longest name of a tensor in characters."""

_SMALL = 2**28
_RATIO = 200


def check_unpacked(path: object, size: int, file_size: int) -> None:
    """Raise UserError if ``size`` bytes are too many for a file of ``file_size`` bytes.

    Weights hardly compress. More than 200-fold is no file of weights but an attempt to fill memory.
    """
    limit = min(MAX_UNPACKED_BYTES, max(_SMALL, _RATIO * file_size))
    check(
        size <= limit,
        f"{path} unpacks to {size / 2**30:.1f} GiB; a file of {file_size / 2**20:.1f} MiB may "
        f"unpack to {limit / 2**30:.1f} GiB.",
    )


def unread_type(kind: str) -> str:
    """Return what follows the name of a tensor of a type that NumPy lacks."""
    return (
        f"is of type {shorten(kind, 30)}, which is not read; convert it to float16 or float32 in "
        "PyTorch"
    )


def shape_problem(shape: tuple[int, ...]) -> str:
    """Return what is wrong with the shape of a tensor; empty if nothing is."""
    if len(shape) > MAX_DIMENSIONS:
        return f"has {len(shape)} dimensions, more than {MAX_DIMENSIONS}"
    if any(type(size) is not int or not 0 <= size < 2**40 for size in shape):
        return "has a dimension that is negative, too large or no integer"
    return ""
