"""Configuration of object detection."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Literal

from acmix.config.data import DataConfig
from acmix.config.run import Config, register_task_config
from acmix.config.typed import (
    ImageSize,
    NonNegativeInt,
    PositiveInt,
    Probability,
    Range,
    Section,
)
from acmix.errors import check

SHOWN_SCORE = 0.3
"""Objects of lower scores are not shown; detectors give many that they hardly believe in."""

CROP_MARGIN = 1
"""Pixels around a box that belong to the crop of its mask: at its border, resized masks and their
interpolation reach that far beyond it."""

CROP_MAXIMUM = 255
"""Value of a pixel of a crop that the mask covers wholly."""


@dataclass(frozen=True)
class DetectionDataConfig(DataConfig, prefix="data"):
    """Images with boxes and their preprocessing."""

    fixed_on_resume: ClassVar[frozenset[str]] = DataConfig.fixed_on_resume | {
        "short_side",
        "long_side",
        "bucket_aspects",
        "size_divisor",
    }

    name: Literal["shapes", "coco"] = "coco"
    """Data set: ``shapes`` is synthetic; ``coco`` reads
    ``root/annotations/instances_<split>.json`` and ``root/<split>/*.jpg``."""
    train_split: str = "train2017"
    """Name of the training split of ``coco``."""
    val_split: str = "val2017"
    """Name of the validation split of ``coco``."""
    short_side: tuple[ImageSize, ...] = (800,)
    """Shorter side in pixels after resizing, which keeps the aspect ratio; ``long_side`` may
    reduce it. With several values, training draws one per image and evaluation uses the largest."""
    long_side: ImageSize = 1333
    """Maximum longer side in pixels after resizing."""
    bucket_aspects: tuple[Annotated[float, Range(low=1)], ...] = (4 / 3, 1.5)
    """Aspect ratios (long / short side) of the shapes that images are padded to. Each is used in
    landscape and portrait, in addition to the largest shape. Every shape is compiled once; fewer
    shapes need more padding."""
    size_divisor: PositiveInt = 32
    """Divisor of the sides of these shapes, in pixels."""
    max_boxes: PositiveInt = 100
    """Maximum number of boxes of a training image; the smallest boxes beyond it are dropped."""
    masks: bool = False
    """Whether objects have masks, which detectors such as ``mask_rcnn`` learn from ``segmentation``
    of COCO's annotations."""
    mask_size: PositiveInt = 112
    """Side in pixels of the mask of a training object, cut out with its box."""
    crop_probability: Probability = 0.0
    """Probability with which a training image is a random part of the original."""
    crop_short_side: tuple[ImageSize, ...] = (400, 500, 600)
    """Shorter side in pixels of the image that a part is cut from, before it is resized; training
    draws one of these values."""
    crop_sides: tuple[ImageSize, ImageSize] = (384, 600)
    """Minimum and maximum side of such a part in pixels; both sides are drawn."""
    empty_images: Literal["skip", "keep"] = "skip"
    """Treatment of training images without boxes: ``skip`` them, or ``keep`` them as background."""

    def validate(self) -> None:
        """Check rules that involve several fields."""
        super().validate()
        check(
            self.repeated_augmentation == 1,
            f"data.repeated_augmentation={self.repeated_augmentation} is not for detection: each "
            "batch has images of one shape, and every image must occur in an epoch for its number "
            "of batches to be known. Set data.repeated_augmentation=1.",
        )
        check(bool(self.short_side), "data.short_side must name at least one side.")
        check(
            max(self.short_side) <= self.long_side,
            f"data.short_side={list(self.short_side)} must not exceed data.long_side="
            f"{self.long_side}.",
        )
        check(bool(self.crop_short_side), "data.crop_short_side must name at least one side.")
        check(
            self.crop_sides[0] <= self.crop_sides[1],
            f"data.crop_sides={list(self.crop_sides)}: the minimum exceeds the maximum.",
        )


@dataclass(frozen=True)
class DetectorConfig(Section, prefix="detector"):
    """Arguments of ``acmix.models.detection.create_detector``; ``model`` is the backbone."""

    fixed_on_resume: ClassVar[frozenset[str]] = frozenset({"name", "kwargs"})

    name: str = "retinanet"
    """Detector name without the backbone's name; ``acmix list --detectors`` shows all."""
    frozen_stages: NonNegativeInt = 0
    """Number of first backbone stages to freeze together with the stem; 0 freezes nothing."""
    frozen_norm: bool = False
    """Freeze the running statistics of the backbone's BatchNorms and use them in training."""
    kwargs: dict[str, Any] = field(default_factory=dict)
    """Further keyword arguments of the detector; lists become tuples."""
    score_threshold: Probability = 0.05
    """Minimum score of a detection before non-maximum suppression."""
    nms_threshold: Probability = 0.5
    """IoU above which the lower-scored of two detections of one class is suppressed."""
    max_detections: PositiveInt = 100
    """Maximum number of detections per image."""


@register_task_config
@dataclass(frozen=True)
class DetectionConfig(Config):
    """Configuration of a run that trains a detector on the backbone ``model``."""

    networks: ClassVar[str] = "detectors"
    eval_files: ClassVar[Mapping[str, str]] = {
        "results": "write COCO's list of detections (JSON)",
    }

    task: Literal["detection"] = "detection"
    data: DetectionDataConfig = field(default_factory=DetectionDataConfig)
    detector: DetectorConfig = field(default_factory=DetectorConfig)

    @property
    def network_name(self) -> str:
        """Name of the detector followed by its backbone's."""
        return f"{self.detector.name}_{self.model.name}"
