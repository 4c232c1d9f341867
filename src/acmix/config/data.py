"""The part of the section ``data`` that all tasks share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from acmix.config.typed import (
    Interpolation,
    Positive,
    PositiveInt,
    Probability,
    Range,
    Section,
)
from acmix.errors import check


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
    """Data set, decoding and batches; each task adds its own data sets and augmentation."""

    name: str = ""
    """A data set of the task."""
    root: str | None = None
    """Folder of the data set, or what ``acmix prepare --mindrecord`` made of it."""
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

    def validate(self) -> None:
        """Check what involves several fields."""
        check_per_channel(self)
