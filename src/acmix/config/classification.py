"""Configuration of image classification."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from acmix.config.data import DataConfig
from acmix.config.run import Config, register_task_config
from acmix.config.typed import (
    CropShare,
    Decay,
    ImageSize,
    Magnitude,
    NonNegative,
    NonNegativeInt,
    Positive,
    PositiveInt,
    Probability,
    Ratio,
    Section,
)
from acmix.errors import check


@dataclass(frozen=True)
class ClassificationDataConfig(DataConfig, prefix="data"):
    """Labelled images and their augmentation."""

    fixed_on_resume: ClassVar[frozenset[str]] = DataConfig.fixed_on_resume | {
        "image_size",
        "crop_pct",
    }

    name: Literal["digits", "image_folder", "cifar10", "cifar100", "cifar100_coarse"] = (
        "image_folder"
    )
    """Data set: ``digits`` is included in scikit-learn; ``image_folder`` reads
    ``root/{train,val}/<class>/*``; the others read CIFAR as it is published, binary or for Python,
    with the 100 fine or the 20 coarse labels of CIFAR-100."""
    image_size: ImageSize = 224
    """Height and width of the network's input in pixels."""
    crop_pct: CropShare = 0.875
    """Fraction of the shorter side that the centre crop of evaluation keeps. The shorter side is
    resized to ``image_size / crop_pct`` pixels first."""
    scale: tuple[Ratio, Ratio] | None = (0.08, 1.0)
    """Range of the random resized crop's area as a fraction of the image; null resizes the
    shorter side and crops a square at random."""
    ratio: tuple[Positive, Positive] = (3 / 4, 4 / 3)
    """Range of the random resized crop's aspect ratio (width / height)."""
    pad_crop: NonNegativeInt = 0
    """Zero padding in pixels before the random crop (CIFAR: 4); requires ``scale: null``."""
    color_jitter: Probability = 0.0
    """Maximum relative change of brightness, contrast and saturation; 0 disables jitter."""
    rand_augment: Magnitude | None = None
    """Mean magnitude of RandAugment, 0 to 10; null disables it. Excludes ``color_jitter``."""
    rand_augment_std: NonNegative = 0.5
    """Standard deviation of the magnitude, which is drawn per operation."""
    rand_augment_layers: PositiveInt = 2
    """Number of operations drawn per image; each is applied with probability 1/2."""
    random_erasing: Probability = 0.0
    """Probability that a rectangle of the normalised image is replaced by noise."""

    mixup: NonNegative = 0.0
    """Alpha of mixup's beta distribution; 0 disables mixup."""
    cutmix: NonNegative = 0.0
    """Alpha of CutMix's beta distribution; 0 disables CutMix."""
    mix_prob: Probability = 1.0
    """Probability that a batch is mixed."""
    mix_switch_prob: Probability = 0.5
    """Probability of CutMix rather than mixup if both are enabled."""

    def validate(self) -> None:
        """Check rules that involve several fields."""
        super().validate()
        for name in ("scale", "ratio"):
            pair = getattr(self, name)
            check(
                pair is None or pair[0] <= pair[1],
                f"data.{name} must be [low, high] with low <= high, got {pair}.",
            )
        check(
            not (self.pad_crop and self.scale),
            f"data.pad_crop={self.pad_crop} and data.scale={self.scale} are two ways to crop; "
            "set data.pad_crop=0 or data.scale=null.",
        )
        check(
            not (self.rand_augment is not None and self.color_jitter),
            f"data.rand_augment={self.rand_augment} already changes colours; set "
            f"data.color_jitter=0, got {self.color_jitter}.",
        )
        check(
            not self.mixes or self.batch_size > 1,
            f"data.mixup={self.mixup} and data.cutmix={self.cutmix} mix the samples of a batch; "
            f"data.batch_size={self.batch_size} holds none to mix with.",
        )

    @property
    def mixes(self) -> bool:
        """Whether training batches are mixed and therefore have soft labels."""
        return self.mix_prob > 0 and (self.mixup > 0 or self.cutmix > 0)


@dataclass(frozen=True)
class LossConfig(Section, prefix="loss"):
    """Training loss."""

    label_smoothing: Decay = 0.0
    """Fraction of the target probability that is spread evenly over all classes."""


@register_task_config
@dataclass(frozen=True)
class ClassificationConfig(Config):
    """Configuration of a run that trains a classifier."""

    is_default: ClassVar[bool] = True
    networks: ClassVar[str] = "models"
    eval_files: ClassVar[Mapping[str, str]] = {
        "confusion": "draw the confusion matrix (PNG)",
    }

    task: Literal["classification"] = "classification"
    data: ClassificationDataConfig = field(default_factory=ClassificationDataConfig)
    loss: LossConfig = field(default_factory=LossConfig)
