"""Find the images of a data set that cannot be decoded, before training starts."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol, TypeVar

from acmix.config import DataConfig
from acmix.data.decode import DecodeError, decode
from acmix.errors import UserError, check

_logger = logging.getLogger(__name__)
_MAX_LISTED = 10


class Images(Protocol):
    """Encoded images with names, independent of the task and its labels."""

    @property
    def names(self) -> tuple[str, ...]:
        """Name of each image for messages."""

    @property
    def read(self) -> Callable[[int], bytes]:
        """Function from an index to an encoded image."""

    def __len__(self) -> int: ...

    def select(self: S, indices: Sequence[int]) -> S:
        """Return the images at ``indices``."""

    def missing_in(self: S, kept: S) -> tuple[str, ...]:
        """Return the names of the classes, or the split, without any image in ``kept``."""


S = TypeVar("S", bound=Images)


def drop_corrupt(samples: S, config: DataConfig) -> tuple[S, tuple[str, ...]]:
    """Apply ``data.on_corrupt``: refuse or drop corrupt images, or skip the check.

    Returns:
        The samples to use, and the names of the dropped ones.

    Raises:
        UserError: there are corrupt images under ``refuse``; or ``skip`` would leave a class or the
            split without images.
    """
    if config.on_corrupt == "unchecked":
        return samples, ()
    reasons = find_corrupt(samples, config)
    if not reasons:
        return samples, ()
    message = f"{len(reasons)} of {len(samples)} images cannot be used: {_list(samples, reasons)}."
    if config.on_corrupt == "refuse":
        raise UserError(f"{message} Repair or remove them, or set data.on_corrupt=skip.")
    _logger.warning("%s They are left out (data.on_corrupt=skip).", message)
    kept = samples.select([i for i in range(len(samples)) if i not in reasons])
    missing = samples.missing_in(kept)
    check(not missing, f"all images of {', '.join(map(repr, missing))} are corrupt: {message}")
    return kept, tuple(samples.names[i] for i in reasons)


def find_corrupt(samples: Images, config: DataConfig) -> dict[int, str]:
    """Decode every image once; return the error messages of the failing ones by index."""

    def reason(index: int) -> str | None:
        try:
            decode(samples.read(index), config.channels, config.max_image_pixels)
        except (DecodeError, OSError) as error:
            return str(error)
        return None

    # Threads run in parallel, since Pillow's decoders release the interpreter lock.
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        found = enumerate(pool.map(reason, range(len(samples))))
        return {index: text for index, text in found if text is not None}


def _list(samples: Images, reasons: dict[int, str]) -> str:
    shown = [f"{samples.names[i]} ({reasons[i]})" for i in list(reasons)[:_MAX_LISTED]]
    more = len(reasons) - len(shown)
    return "; ".join(shown) + (f"; and {more} more" if more else "")
