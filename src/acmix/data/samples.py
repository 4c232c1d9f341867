"""`Samples`: encoded images with labels, independent of their source."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from acmix.data.readers import Chosen

Split = Literal["train", "val"]


@dataclass(frozen=True)
class Samples:
    """Encoded images of one split; images are read on demand.

    Attributes:
        classes: class names; a label is an index into them.
        names: name of each sample for messages (a path).
        keys: name of each sample that is the same on every machine (a path below the root).
        labels: class of each sample.
        read: returns the encoded bytes of sample ``i`` of ``names``; may raise OSError.
    """

    classes: tuple[str, ...]
    names: tuple[str, ...]
    keys: tuple[str, ...]
    labels: tuple[int, ...]
    read: Callable[[int], bytes]

    def __len__(self) -> int:
        return len(self.names)

    def select(self, indices: Sequence[int]) -> Samples:
        """Return the samples at ``indices``, in that order."""
        kept = tuple(indices)
        return replace(
            self,
            names=tuple(self.names[i] for i in kept),
            keys=tuple(self.keys[i] for i in kept),
            labels=tuple(self.labels[i] for i in kept),
            read=Chosen(self.read, kept),
        )

    def mismatch(self, index: int, size: tuple[int, int], encoded: bytes) -> None:
        """Return None: any size fits a label."""

    def checksum(self, index: int, encoded: bytes) -> int:
        """Return the CRC of an image file."""
        return zlib.crc32(encoded)

    def missing_in(self, kept: Samples) -> tuple[str, ...]:
        """Return the names of the classes that have no sample in ``kept``."""
        present = set(kept.labels)
        return tuple(name for label, name in enumerate(self.classes) if label not in present)
