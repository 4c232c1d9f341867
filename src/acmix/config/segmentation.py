"""Configuration of semantic segmentation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from acmix.config.data import DataConfig
from acmix.config.run import Config, register_task_config
from acmix.config.typed import (
    ImageSize,
    Interpolation,
    Positive,
    PositiveInt,
    Probability,
    Ratio,
    Section,
)
from acmix.errors import check

IGNORED_LABEL = 255
"""Label of pixels that count neither in the loss nor in the metric."""

_LARGEST_RATIO = 16


@dataclass(frozen=True)
class SegmentationDataConfig(DataConfig, prefix="data"):
    """Images with a class for each pixel, and their preprocessing."""

    fixed_on_resume: ClassVar[frozenset[str]] = DataConfig.fixed_on_resume | {
        "class_file",
        "reduce_zero_label",
        "unlisted",
        "short_side",
        "long_side",
        "size_divisor",
        "crop_size",
    }

    name: Literal["label_shapes", "ade20k", "cityscapes", "voc", "label_folder"] = "ade20k"
    """Data set: ``label_shapes`` is synthetic; the others are folders of images and of PNG files
    of labels, laid out as these data sets are published. ``label_folder`` reads
    ``root/images/{train,val}`` and ``root/labels/{train,val}`` (or ``annotations``)."""
    train_images: str | None = None
    """Folder of the training images below ``root``; null takes that of the layout."""
    val_images: str | None = None
    """Folder of the validation images below ``root``; null takes that of the layout."""
    train_labels: str | None = None
    """Folder of the training labels below ``root``; null takes that of the layout."""
    val_labels: str | None = None
    """Folder of the validation labels below ``root``; null takes that of the layout."""
    image_suffix: str | None = None
    """End of the names of images, such as ``_leftImg8bit.png``; the rest of the name is that of
    the label file. Null takes that of the layout: any suffix of an image."""
    label_suffix: str | None = None
    """End of the names of label files, such as ``_mask.png``; null takes that of the layout."""
    class_file: str | None = None
    """Names of the classes: a text file with one a line, or YAML; null takes ``classes.yaml`` or
    ``classes.txt`` in ``root``, or the classes of the published data set."""
    reduce_zero_label: bool | None = None
    """Ignore the value 0 of the label files and count classes from 1; null does so for ADE20K."""
    unlisted: Literal["refuse", "ignore"] = "refuse"
    """Treatment of label values that no class has: ``refuse`` the file, or ``ignore`` the pixels.
    255 is always ignored."""

    interpolation: Interpolation = "bilinear"
    """Resampling filter for images, without antialiasing; labels take the nearest pixel."""
    short_side: ImageSize = 512
    """Shorter side in pixels after resizing, which keeps the aspect ratio; ``long_side`` may
    reduce it."""
    long_side: ImageSize = 2048
    """Maximum longer side in pixels after resizing."""
    size_divisor: PositiveInt = 1
    """Evaluated images are stretched up to sides that are multiples of this (PVT: 32)."""
    pad_divisor: PositiveInt = 1
    """Evaluated images are padded with zeros to sides that are multiples of this, and each shape
    is compiled once. 1 does not pad, as published; images then run operator by operator."""
    resize_ratio: tuple[Positive, Positive] | None = (0.5, 2.0)
    """Range of the factor on ``short_side`` and ``long_side`` in training; null: no factor."""
    crop_size: ImageSize = 512
    """Height and width of the training crop in pixels."""
    cat_max_ratio: Ratio = 0.75
    """Share of the labelled pixels from which one class fills a crop, which is then drawn again,
    up to ten times; 1 disables the rule."""
    photometric: Probability = 1.0
    """Strength of the random changes of brightness, contrast, saturation and hue, as a fraction of
    the published one; 0 disables them."""
    eval_ratios: tuple[Positive, ...] = (1.0,)
    """Factors on ``short_side`` and ``long_side`` at which evaluation looks at an image: of several
    views, the mean probability decides. Published, ``[0.5, 0.75, 1.0, 1.25, 1.5, 1.75]``."""
    eval_flip: bool = False
    """Whether evaluation looks at each of these views mirrored, too."""
    eval_batch_size: PositiveInt | None = 1
    """Number of images per evaluation batch on each device: one, as each has its own shape."""

    def validate(self) -> None:
        """Check rules that involve several fields."""
        super().validate()
        check(
            self.short_side <= self.long_side,
            f"data.short_side={self.short_side} must not exceed data.long_side={self.long_side}.",
        )
        low, high = self.resize_ratio or (1.0, 1.0)
        check(
            low <= high <= _LARGEST_RATIO,
            "data.resize_ratio must be [low, high] with low <= high <= "
            f"{_LARGEST_RATIO}, got {[low, high]}.",
        )
        check(
            bool(self.eval_ratios) and max(self.eval_ratios) <= _LARGEST_RATIO,
            f"data.eval_ratios must hold 1 or more factors up to {_LARGEST_RATIO}, got "
            f"{list(self.eval_ratios)}.",
        )
        check(
            self.eval_batch_size in (1, None),
            f"data.eval_batch_size={self.eval_batch_size} must be 1: every image is evaluated in "
            "its own shape.",
        )


@dataclass(frozen=True)
class SegmenterConfig(Section, prefix="segmenter"):
    """Arguments of ``acmix.models.segmentation.create_segmenter``; ``model`` is the backbone."""

    fixed_on_resume: ClassVar[frozenset[str]] = frozenset({"name", "kwargs"})

    name: str = "semantic_fpn"
    """Segmenter name without the backbone's name; ``acmix list --segmenters`` shows all."""
    kwargs: dict[str, Any] = field(default_factory=dict)
    """Further keyword arguments of the segmenter; lists become tuples."""
    window: ImageSize | None = None
    """Evaluate and predict by windows of this height and width, whose logits are averaged where
    they overlap; null: the whole image at once."""
    window_stride: PositiveInt | None = None
    """Distance of windows in pixels; null takes two thirds of ``window``, as published."""

    def validate(self) -> None:
        """Check rules that involve several fields."""
        if self.window_stride is not None:
            check(
                self.window is not None and self.window_stride <= self.window,
                f"segmenter.window_stride={self.window_stride} must not exceed segmenter.window="
                f"{self.window}: pixels between windows would have no class.",
            )

    @property
    def windows(self) -> tuple[int, int] | None:
        """Side and stride of the windows; None for whole images."""
        if self.window is None:
            return None
        return self.window, self.window_stride or max(1, self.window * 2 // 3)


@register_task_config
@dataclass(frozen=True)
class SegmentationConfig(Config):
    """Configuration of a run that trains a segmenter on the backbone ``model``."""

    networks: ClassVar[str] = "segmenters"
    eval_files: ClassVar[Mapping[str, str]] = {
        "confusion": "draw the confusion matrix (PNG)",
    }

    task: Literal["segmentation"] = "segmentation"
    data: SegmentationDataConfig = field(default_factory=SegmentationDataConfig)
    segmenter: SegmenterConfig = field(default_factory=SegmenterConfig)

    @property
    def network_name(self) -> str:
        """Name of the segmenter followed by its backbone's."""
        return f"{self.segmenter.name}_{self.model.name}"
