"""Speed of training, without what is no training: compilation, evaluation, saving."""

from __future__ import annotations

import math
import time
from typing import NamedTuple

_MEMORY_SECONDS = 60.0


class Rate(NamedTuple):
    """Speed over the last steps."""

    images_per_second: float
    seconds_per_step: float


class Speed:
    """Measures from step to step, the wait for images included."""

    def __init__(self) -> None:
        self._images = self._steps = self._seconds = 0.0
        self._row_images = self._row_seconds = 0.0
        self.start()

    def start(self) -> None:
        """Start the clock; what was before does not count."""
        self._last = time.perf_counter()

    def add(self, images: int) -> None:
        """Count a step that ends now."""
        now = time.perf_counter()
        seconds, self._last = now - self._last, now
        kept = math.exp(-seconds / _MEMORY_SECONDS)  # old steps fade away
        self._images = kept * self._images + images
        self._seconds = kept * self._seconds + seconds
        self._steps = kept * self._steps + 1
        self._row_images += images
        self._row_seconds += seconds

    @property
    def now(self) -> Rate | None:
        """Speed over about the last minute; None before the first step."""
        if self._steps == 0:
            return None
        return Rate(self._images / self._seconds, self._seconds / self._steps)

    def mean(self) -> float | None:
        """Return images per second since the last call; None if there was no step."""
        images, seconds = self._row_images, self._row_seconds
        self._row_images = self._row_seconds = 0.0
        return images / seconds if images else None
