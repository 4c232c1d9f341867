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


@dataclass(frozen=True)
class DetectionDataConfig(DataConfig, prefix="data"):
    """Images with boxes."""

    name: Literal["shapes", "coco"] = "coco"
    """``shapes``, drawn from the seed, or ``coco``, which reads
    ``root/annotations/instances_<split>.json`` and ``root/<split>/*.jpg``."""
    train_split: str = "train2017"
    """Training split of ``coco``."""
    val_split: str = "val2017"
    """Validation split of ``coco``."""
    short_side: tuple[ImageSize, ...] = (800,)
    """Images are resized, keeping their aspect, to this shorter side in pixels, as far as
    ``long_side`` allows. Of several, training draws one for each image, evaluation takes the
    largest."""
    long_side: ImageSize = 1333
    """Largest longer side in pixels."""
    bucket_aspects: tuple[Annotated[float, Range(low=1)], ...] = (4 / 3, 1.5)
    """Long to short side of the shapes that images are padded to, besides the largest shape; each
    upright too. Every shape is compiled once; fewer shapes pad more."""
    size_divisor: PositiveInt = 32
    """The sides of these shapes are multiples of this."""
    max_boxes: PositiveInt = 100
    """Boxes that a training image can have; further ones are left out, the smallest first."""
    empty_images: Literal["skip", "keep"] = "skip"
    """Training images without any box: left out, or seen as background."""

    def validate(self) -> None:
        """Check what involves several fields."""
        super().validate()
        check(bool(self.short_side), "data.short_side must name at least one side.")
        check(
            max(self.short_side) <= self.long_side,
            f"data.short_side={list(self.short_side)} must not exceed data.long_side="
            f"{self.long_side}.",
        )


@dataclass(frozen=True)
class DetectorConfig(Section, prefix="detector"):
    """What ``acmix.models.detection.create_detector`` puts on the backbone of ``model``."""

    name: str = "retinanet"
    """A detector out of ``acmix list --detectors``, without the backbone's name."""
    frozen_stages: NonNegativeInt = 0
    """Stem and this many first stages of the backbone are not trained; 0 trains all."""
    frozen_norm: bool = False
    """BatchNorms of the backbone keep and use their running statistics in training."""
    kwargs: dict[str, Any] = field(default_factory=dict)
    """Further arguments of the detector; lists become tuples."""
    score_threshold: Probability = 0.05
    """Detections with a lower score are dropped before non-maximum suppression."""
    nms_threshold: Probability = 0.5
    """IoU above which the lower of two detections of one class is suppressed."""
    max_detections: PositiveInt = 100
    """Detections kept of an image."""


@register_task_config
@dataclass(frozen=True)
class DetectionConfig(Config):
    """A run that trains a detector on the backbone that ``model`` names."""

    networks: ClassVar[str] = "detectors"
    eval_files: ClassVar[Mapping[str, str]] = {
        "results": "write COCO's list of detections (JSON)",
    }

    task: Literal["detection"] = "detection"
    data: DetectionDataConfig = field(default_factory=DetectionDataConfig)
    detector: DetectorConfig = field(default_factory=DetectorConfig)

    def validate(self) -> None:
        """Check what involves several sections."""
        super().validate()
        check(
            not self.model.reset_head,
            "model.reset_head=true is for classifiers: detectors leave the classifier of "
            "model.pretrained out anyway.",
        )

    @property
    def network_name(self) -> str:
        """Name of the detector with its backbone."""
        return f"{self.detector.name}_{self.model.name}"
