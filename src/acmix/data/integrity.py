"""Find the images of a data set that cannot be used, before training starts."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from acmix.config import DataConfig
from acmix.data.decode import DecodeError, decode
from acmix.data.digest import digest_of
from acmix.environment import usable_cores
from acmix.errors import UserError, check
from acmix.utils.text import first_few

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

    def mismatch(self, index: int, size: tuple[int, int], encoded: bytes) -> str | None:
        """Return why an image does not fit what is known of it; None if it does.

        Args:
            index: of the image.
            size: width and height after decoding.
            encoded: content of its file.
        """

    def checksum(self, index: int, encoded: bytes) -> int:
        """Return the CRC of what was read of a sample: its image, and its labels if in a file."""

    def select(self: S, indices: Sequence[int]) -> S:
        """Return the images at ``indices``."""

    def missing_in(self: S, kept: S) -> tuple[str, ...]:
        """Return the names of the classes, or the split, without any image in ``kept``."""


S = TypeVar("S", bound=Images)


@dataclass(frozen=True)
class Checked(Generic[S]):
    """Samples to use after the check.

    Attributes:
        samples: what is left.
        corrupt: names of the images that are left out.
        content: digest of the files of ``samples``; None if they were not read.
    """

    samples: S
    corrupt: tuple[str, ...] = ()
    content: str | None = None


def drop_corrupt(samples: S, config: DataConfig) -> Checked[S]:
    """Apply ``data.on_corrupt``: refuse or drop corrupt images, or skip the check.

    Raises:
        UserError: there are corrupt images under ``refuse``; or ``skip`` would leave a class or the
            split without images.
    """
    if config.on_corrupt == "unchecked":
        return Checked(samples)
    results = _read_all(samples, config)
    content = digest_of(result for result in results if isinstance(result, int))
    reasons = {i: result for i, result in enumerate(results) if isinstance(result, str)}
    if not reasons:
        return Checked(samples, content=content)
    message = f"{len(reasons)} of {len(samples)} images cannot be used: {_list(samples, reasons)}."
    if config.on_corrupt == "refuse":
        raise UserError(f"{message} Repair or remove them, or set data.on_corrupt=skip.")
    _logger.warning("%s They are left out (data.on_corrupt=skip).", message)
    kept = samples.select([i for i in range(len(samples)) if i not in reasons])
    missing = samples.missing_in(kept)
    check(not missing, f"all images of {first_few([*map(repr, missing)])} are corrupt: {message}")
    return Checked(kept, tuple(samples.names[i] for i in reasons), content)


def _read_all(samples: Images, config: DataConfig) -> list[int | str]:
    """Decode every image once; return the CRC of each file, or why it cannot be used."""

    def result(index: int) -> int | str:
        try:
            encoded = samples.read(index)
            image = decode(encoded, config.channels, config.max_image_pixels)
            reason = samples.mismatch(index, image.size, encoded)
            return samples.checksum(index, encoded) if reason is None else reason
        except (DecodeError, OSError) as error:
            return str(error)

    # Threads run in parallel, since Pillow's decoders release the interpreter lock.
    with ThreadPoolExecutor(usable_cores()) as pool:
        return list(pool.map(result, range(len(samples))))


def _list(samples: Images, reasons: dict[int, str]) -> str:
    shown = [f"{samples.names[i]} ({reasons[i]})" for i in list(reasons)[:_MAX_LISTED]]
    more = len(reasons) - len(shown)
    return "; ".join(shown) + (f"; and {more} more" if more else "")
