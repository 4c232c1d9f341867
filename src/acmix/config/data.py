"""Fields of the section ``data`` that all tasks share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from acmix.config.typed import (
    Interpolation,
    Positive,
    PositiveInt,
    Probability,
    Range,
    Section,
)
from acmix.errors import check

_LEAST_DEVIATION, _LARGEST_PIXEL = 1e-5, 1e5


def check_per_channel(section: Section) -> None:
    """Raise UserError unless ``mean`` and ``std`` have a value for each of ``channels``.

    Values that are far from those of pixels would overflow, or divide by 0, in float32.
    """
    channels = section.channels  # type: ignore[attr-defined]  # present in all callers' sections
    for name in ("mean", "std"):
        values = getattr(section, name)
        check(
            len(values) == channels,
            f"{section.prefix}{name} must have one value per channel "
            f"({section.prefix}channels={channels}), got {list(values)}.",
        )
        low = _LEAST_DEVIATION if name == "std" else -_LARGEST_PIXEL
        check(
            all(low <= value <= _LARGEST_PIXEL for value in values),
            f"{section.prefix}{name} must be from {low:g} to {_LARGEST_PIXEL:g} (pixels are scaled "
            f"to 0..1), got {list(values)}.",
        )


@dataclass(frozen=True)
class DataConfig(Section, prefix="data"):
    """Data set, decoding and batches; each task adds its own data sets and augmentation."""

    fixed_on_resume: ClassVar[frozenset[str]] = frozenset(
        {"name", "channels", "mean", "std", "interpolation"}
    )
    free_on_resume: ClassVar[frozenset[str]] = frozenset(
        {"root", "eval_batch_size", "num_workers", "workers_are", "on_corrupt", "max_image_pixels"}
    )

    name: str = ""
    """Name of the data set."""
    root: str | None = None
    """Folder of the data set, or of its copy by ``acmix prepare --mindrecord``."""
    channels: Literal[1, 3] = 3
    """Channels of the network's input; images are converted to grey (1) or RGB (3)."""
    mean: tuple[float, ...] = (0.485, 0.456, 0.406)
    """Mean per channel of pixels scaled to 0..1; the default is ImageNet's."""
    std: tuple[Positive, ...] = (0.229, 0.224, 0.225)
    """Standard deviation per channel of pixels scaled to 0..1; the default is ImageNet's."""
    interpolation: Interpolation = "bicubic"
    """Resampling filter for resizing in training and evaluation; downsampling is antialiased."""

    batch_size: PositiveInt = 64
    """Number of samples per training batch on each device."""
    eval_batch_size: PositiveInt | None = None
    """Number of samples per evaluation batch on each device; null uses ``batch_size``."""
    num_workers: PositiveInt = 2
    """Number of workers that decode and transform images; it does not change the samples."""
    workers_are: Literal["threads", "processes"] | None = None
    """What the workers are; it does not change the samples. Processes do not wait for Python's
    lock, and take memory: two batches each. null takes processes from four workers on, where the
    system has them (Linux)."""
    hflip: Probability = 0.5
    """Probability of a horizontal flip in training."""
    repeated_augmentation: PositiveInt = 1
    """Number of times that each image of a training epoch occurs in a row, each time with another
    augmentation. An epoch keeps its number of samples, and so has a share of the images only, drawn
    anew for each. DeiT and PVT train with 3. Not for detection."""
    on_corrupt: Literal["refuse", "skip", "unchecked"] = "refuse"
    """Treatment of images that cannot be used: unreadable, corrupt, too large, or of another size
    than annotated. ``refuse`` and ``skip`` decode every image before training; the first raises an
    error that names them, the second leaves them out. ``unchecked`` reads none in advance: the
    first one that is met ends the run."""
    max_image_pixels: Annotated[int, Range(low=1, high=178_956_970)] = 178_956_970
    """Maximum width x height of an image file; larger images count as corrupt (decompression
    bombs). The upper bound is Pillow's limit; such an image takes about 1 GB to decode."""

    def validate(self) -> None:
        """Check rules that involve several fields."""
        check_per_channel(self)
