"""Sizes of resized images, rounded as in mmcv."""

from __future__ import annotations


def keep_ratio(width: int, height: int, short_side: int, long_side: int) -> tuple[int, int]:
    """Return width and height after resizing with one factor (``mmcv.rescale_size``).

    The shorter side becomes ``short_side``, unless the longer one would exceed ``long_side``.
    """
    factor = min(long_side / max(width, height), short_side / min(width, height))
    return scaled(width, height, factor)


def scaled(width: int, height: int, factor: float) -> tuple[int, int]:
    """Return the rounded sides times ``factor``, at least one pixel each."""
    return max(1, round_half_up(width * factor)), max(1, round_half_up(height * factor))


def round_half_up(side: float) -> int:
    """Round to the nearest whole number, halves up."""
    return int(side + 0.5)


def round_up(side: int, divisor: int) -> int:
    """Return the smallest multiple of ``divisor`` that is not less than ``side``."""
    return -(-side // divisor) * divisor
