"""Detectors by name: every detector on every backbone, ``retinanet_acmix_pvt_tiny``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from acmix.models.backbone import Backbone
from acmix.models.detection.detector import Detector
from acmix.models.detection.post_process import PostProcess
from acmix.models.freeze import freeze_norm, freeze_stages
from acmix.models.heads import create_with_head
from acmix.models.registry import list_networks

KIND = "detectors"


def list_detectors(pattern: str = "*") -> list[str]:
    """Return the names ``{detector}_{backbone}`` that match a shell pattern, sorted."""
    return list_networks(KIND, pattern)


def create_detector(
    name: str,
    num_classes: int | None = None,
    frozen_stages: int = 0,
    frozen_norm: bool = False,
    post_process: PostProcess | None = None,
    backbone: Mapping[str, Any] | None = None,
    **arguments: Any,
) -> Detector:
    """Make a detector by name.

    Args:
        name: one of :func:`list_detectors`.
        num_classes: K, without background; 80 by default.
        frozen_stages: stem and this many stages are not trained, see :func:`freeze_stages`.
        frozen_norm: BatchNorms keep their running statistics, see :func:`freeze_norm`.
        post_process: how detections are chosen; None takes the detector's own.
        backbone: arguments of :func:`acmix.models.create_model`; ``out_indices``, the stages the
            detector looks at, are the detector's unless given.
        **arguments: the detector's own. A value of None means the default.

    Raises:
        UserError: unknown name or argument, or a value the detector cannot take.
    """

    def prepare(body: Backbone) -> None:
        freeze_stages(body, frozen_stages)
        if frozen_norm:
            freeze_norm(body)

    own = {"num_classes": num_classes, "post_process": post_process, **arguments}
    return create_with_head(KIND, name, own, backbone, prepare)
