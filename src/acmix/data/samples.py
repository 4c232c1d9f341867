"""`Samples`: encoded images with labels, wherever they come from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

Split = Literal["train", "val"]


@dataclass(frozen=True)
class Samples:
    """Encoded images of one split; reading is lazy.

    Attributes:
        classes: names of the classes, a label is an index into them.
        names: what to call each sample in messages (a path).
        labels: class of each sample.
        read: returns the encoded bytes of sample ``i`` of ``names``; may raise OSError.
    """

    classes: tuple[str, ...]
    names: tuple[str, ...]
    labels: tuple[int, ...]
    read: Callable[[int], bytes]

    def __len__(self) -> int:
        return len(self.names)

    def select(self, indices: Sequence[int]) -> Samples:
        """Return the samples at ``indices``, in their order."""
        kept = tuple(indices)
        read = self.read
        return replace(
            self,
            names=tuple(self.names[i] for i in kept),
            labels=tuple(self.labels[i] for i in kept),
            read=lambda i: read(kept[i]),
        )

    def missing_in(self, kept: Samples) -> tuple[str, ...]:
        """Return the classes that have no sample left when only ``kept`` is left of these."""
        left = set(kept.labels)
        return tuple(name for label, name in enumerate(self.classes) if label not in left)
