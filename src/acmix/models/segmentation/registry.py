"""Segmenters by name: every head on every backbone, ``upernet_acmix_swin_tiny``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from acmix.models.heads import create_with_head
from acmix.models.registry import list_networks
from acmix.models.segmentation.segmenter import Segmenter

KIND = "segmenters"


def list_segmenters(pattern: str = "*") -> list[str]:
    """Return the names ``{head}_{backbone}`` that match a shell pattern, sorted."""
    return list_networks(KIND, pattern)


def create_segmenter(
    name: str,
    num_classes: int | None = None,
    backbone: Mapping[str, Any] | None = None,
    **arguments: Any,
) -> Segmenter:
    """Make a segmenter by name.

    Args:
        name: one of :func:`list_segmenters`.
        num_classes: K, without the ignored label; 150 by default.
        backbone: arguments of :func:`acmix.models.create_model`; ``out_indices``, the stages the
            head looks at, are the head's unless given.
        **arguments: the head's own. A value of None means the default.

    Raises:
        UserError: unknown name or argument, or a value the segmenter cannot take.
    """
    return create_with_head(KIND, name, {"num_classes": num_classes, **arguments}, backbone)
