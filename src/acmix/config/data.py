"""The section ``data``: what is read, and how it is transformed, for every task."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Annotated, Literal

from acmix.config.typed import (
    CropShare,
    ImageSize,
    Interpolation,
    Magnitude,
    NonNegative,
    NonNegativeInt,
    Positive,
    PositiveInt,
    Probability,
    Range,
    Ratio,
    Section,
)
from acmix.errors import check

DETECTION_SETS = ("coco", "shapes")


def check_per_channel(section: Section) -> None:
    """Raise UserError unless ``mean`` and ``std`` have a value for each of ``channels``."""
    channels = section.channels  # type: ignore[attr-defined]  # those that are checked have them
    for name in ("mean", "std"):
        values = getattr(section, name)
        check(
            len(values) == channels,
            f"{section.prefix}{name} must have one value per channel "
            f"({section.prefix}channels={channels}), got {list(values)}.",
        )


@dataclass(frozen=True)
class DataConfig(Section, prefix="data"):
    """Data set, decoding, augmentation, batches."""

    name: Literal["digits", "image_folder", "shapes", "coco"] = "image_folder"
    """For classification ``digits``, embedded in scikit-learn, and ``image_folder``, which reads
    ``root/train/<class>/*``; for detection ``shapes``, drawn from the seed, and ``coco``."""
    root: str | None = None
    """Folder of an ``image_folder``, with the sub-folders ``train`` and ``val``, or of ``coco``,
    with ``annotations/instances_<split>.json`` and ``<split>/*.jpg``; or of either as ``acmix
    prepare --mindrecord`` writes it."""
    channels: Literal[1, 3] = 3
    """1 reads images as grey, 3 as RGB, whatever is in the files."""
    mean: tuple[float, ...] = (0.485, 0.456, 0.406)
    """Mean per channel of pixels scaled to 0..1; the default is ImageNet's."""
    std: tuple[Positive, ...] = (0.229, 0.224, 0.225)
    """Standard deviation per channel of pixels scaled to 0..1."""
    interpolation: Interpolation = "bicubic"
    """How images are resized, in training and evaluation; shrinking is antialiased."""

    batch_size: PositiveInt = 64
    """Samples per training step on each device."""
    eval_batch_size: PositiveInt | None = None
    """Samples per evaluation batch on each device; null takes ``batch_size``."""
    num_workers: PositiveInt = 2
    """Threads that decode and transform; the samples do not depend on their number."""
    hflip: Probability = 0.5
    """Probability of a horizontal flip."""
    on_corrupt: Literal["refuse", "skip", "unchecked"] = "refuse"
    """Images that cannot be decoded: an error, left out, or not looked for before training."""
    max_image_pixels: Annotated[int, Range(low=1, high=178_956_970)] = 178_956_970
    """Larger images count as corrupt (decompression bombs); the most allowed is Pillow's limit."""

    # Of classification alone.
    image_size: ImageSize = 224
    """Side of the square image the network sees, in pixels."""
    crop_pct: CropShare = 0.875
    """Evaluation resizes the shorter side to ``image_size / crop_pct``, then crops the centre."""
    scale: tuple[Ratio, Ratio] | None = (0.08, 1.0)
    """Area share of the random resized crop; null resizes the shorter side and crops a square."""
    ratio: tuple[Positive, Positive] = (3 / 4, 4 / 3)
    """Width to height of the random resized crop."""
    pad_crop: NonNegativeInt = 0
    """Zero padding in pixels before the random crop (CIFAR: 4); needs ``scale`` null."""
    color_jitter: Probability = 0.0
    """Largest relative change of brightness, contrast and saturation."""
    rand_augment: Magnitude | None = None
    """Mean magnitude of RandAugment, 0 to 10; null leaves it out. It takes the place of jitter."""
    rand_augment_std: NonNegative = 0.5
    """Standard deviation of the magnitude, drawn for every operation."""
    rand_augment_layers: PositiveInt = 2
    """Operations drawn for each image; each is applied with probability 1/2."""
    random_erasing: Probability = 0.0
    """Probability that a rectangle of the normalised image is replaced by noise."""

    mixup: NonNegative = 0.0
    """Parameter of mixup's beta distribution; 0 for no mixup."""
    cutmix: NonNegative = 0.0
    """Parameter of CutMix's beta distribution; 0 for no CutMix."""
    mix_prob: Probability = 1.0
    """Probability that a batch is mixed."""
    mix_switch_prob: Probability = 0.5
    """Probability of CutMix where both are on."""

    # Of detection alone.
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
        check_per_channel(self)
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

        self._check_task()

    def _check_task(self) -> None:
        """Refuse what the data set's task would not use: it must not be ignored silently."""
        other = _OF_DETECTION if self.task == "classification" else _OF_CLASSIFICATION
        defaults = {field.name: field.default for field in dataclasses.fields(self)}
        for name in other:
            value = getattr(self, name)
            check(
                value == defaults[name],
                f"data.{name}={value} has no meaning for data.name={self.name}, a data set for "
                f"{self.task}; leave it out.",
            )
        if self.task == "detection":
            check(bool(self.short_side), "data.short_side must name at least one side.")
            check(
                max(self.short_side) <= self.long_side,
                f"data.short_side={list(self.short_side)} must not exceed data.long_side="
                f"{self.long_side}.",
            )

    @property
    def task(self) -> Literal["classification", "detection"]:
        """The task that the data set is labelled for."""
        return "detection" if self.name in DETECTION_SETS else "classification"

    @property
    def mixes(self) -> bool:
        """Whether training batches are mixed, and hence carry soft labels."""
        return self.mix_prob > 0 and (self.mixup > 0 or self.cutmix > 0)


_OF_CLASSIFICATION = (
    "image_size", "crop_pct", "scale", "ratio", "pad_crop", "color_jitter", "rand_augment",
    "rand_augment_std", "rand_augment_layers", "random_erasing", "mixup", "cutmix", "mix_prob",
    "mix_switch_prob",
)  # fmt: skip
_OF_DETECTION = (
    "train_split", "val_split", "short_side", "long_side", "bucket_aspects", "size_divisor",
    "max_boxes", "empty_images",
)  # fmt: skip
