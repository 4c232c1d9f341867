"""`SegmentationSamples`: images with a label for each pixel."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from acmix.config.segmentation import IGNORED_LABEL
from acmix.data.class_list import UNLISTED, ClassList
from acmix.data.decode import DEFAULT_MAX_PIXELS, DecodeError, size_mismatch
from acmix.data.label_file import decode_labels, label_size
from acmix.data.readers import Chosen
from acmix.utils.text import first_few


@dataclass(frozen=True)
class SegmentationSamples:
    """Encoded images of one split with their label files; both are read on demand.

    Attributes:
        classes: of the labels.
        names: name of each image for messages (a path).
        label_names: name of each label file for messages.
        keys: name of each image that is the same on every machine (a path below the root).
        label_keys: the same for the label files.
        read: returns the encoded bytes of image ``i`` of ``names``; may raise OSError.
        read_labels: returns the encoded bytes of label file ``i``; may raise OSError.
        present: (256,) bool, labels that were found in the files examined so far.
    """

    classes: ClassList
    names: tuple[str, ...]
    label_names: tuple[str, ...]
    keys: tuple[str, ...]
    label_keys: tuple[str, ...]
    read: Callable[[int], bytes]
    read_labels: Callable[[int], bytes]
    present: np.ndarray = field(default_factory=lambda: np.zeros(256, bool))

    def __len__(self) -> int:
        return len(self.names)

    def labels(self, index: int, max_pixels: int = DEFAULT_MAX_PIXELS) -> np.ndarray:
        """Return the labels of an image: (H, W) uint8, 255 where they are ignored.

        Raises:
            OSError: the file cannot be read.
            DecodeError: it is no label file, too large, or holds a value that no class has.
        """
        return self._decoded(self.read_labels(index), max_pixels)

    def _decoded(self, encoded: bytes, max_pixels: int) -> np.ndarray:
        values = decode_labels(encoded, max_pixels)
        table = self.classes.table()
        counts = np.bincount(values.reshape(-1), minlength=256)
        unlisted = np.flatnonzero((counts > 0) & (table == UNLISTED))
        if unlisted.size:
            known = self.classes.values
            raise DecodeError(
                f"holds values that are not in the class list: {first_few(unlisted.tolist())} "
                f"({len(known)} classes have values from {min(known)} to {max(known)}); complete "
                "data.class_file, or set data.unlisted=ignore"
            )
        self.present[table[counts > 0]] = True
        return table.astype(np.uint8)[values]

    def select(self, indices: Sequence[int]) -> SegmentationSamples:
        """Return the samples at ``indices``, in that order."""
        kept = tuple(indices)
        return replace(
            self,
            names=tuple(self.names[i] for i in kept),
            label_names=tuple(self.label_names[i] for i in kept),
            keys=tuple(self.keys[i] for i in kept),
            label_keys=tuple(self.label_keys[i] for i in kept),
            read=Chosen(self.read, kept),
            read_labels=Chosen(self.read_labels, kept),
        )

    def mismatch(self, index: int, size: tuple[int, int], encoded: bytes) -> str | None:
        """Return why the labels of an image cannot be used; None if they can."""
        try:
            labels = self.read_labels(index)
            reason = size_mismatch(encoded, size, label_size(labels), "labels")
            if reason is not None:
                return f"{reason} ({self.label_names[index]})"
            self._decoded(labels, size[0] * size[1])
        except (OSError, DecodeError) as error:
            return f"its labels {self.label_names[index]}: {error}"
        return None

    def checksum(self, index: int, encoded: bytes) -> int:
        """Return the CRC of an image and its labels."""
        return zlib.crc32(self.read_labels(index), zlib.crc32(encoded))

    def missing_in(self, kept: SegmentationSamples) -> tuple[str, ...]:
        """Report the split if ``kept`` is empty; a split need not contain every class."""
        return () if len(kept) else ("the split",)

    def present_classes(self) -> tuple[str, ...]:
        """Return the classes that were found in the files examined so far."""
        found = np.flatnonzero(self.present[:IGNORED_LABEL])
        return tuple(self.classes.names[label] for label in found)
