"""Masks of the objects of an image, and how flips, resizing and crops change them.

Masks stay compressed until they are used, a few hundred bytes each, and one at a time is decoded:
100 bitmaps of 800 x 1344 pixels take 107 MB.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from pycocotools import mask as coco_mask

from acmix.data import rle

MIN_SIDE = 0.01
"""Minimum side in pixels of a box to train on."""


@dataclass(frozen=True)
class InstanceMasks:
    """Masks of the n objects of one image, compressed.

    Attributes:
        height: of the image in pixels.
        width: of the image in pixels.
        counts: of each object, as :func:`acmix.data.rle.read_segmentation` returns them.
    """

    height: int
    width: int
    counts: tuple[bytes, ...]

    def __len__(self) -> int:
        return len(self.counts)

    def __getitem__(self, index: int) -> np.ndarray:
        """Return the bitmap (height, width) uint8 of one object."""
        return rle.decode(self.counts[index], self.height, self.width)

    def __iter__(self) -> Iterator[np.ndarray]:
        """Decode one object after the other."""
        return (self[index] for index in range(len(self)))

    def select(self, indices: Sequence[int] | np.ndarray) -> InstanceMasks:
        """Return the masks at ``indices``, in that order."""
        return InstanceMasks(self.height, self.width, tuple(self.counts[i] for i in indices))

    def areas(self) -> np.ndarray:
        """Return the number of pixels of each mask (n,) float64."""
        return np.array(coco_mask.area(self._compressed()), np.float64)

    def boxes(self) -> np.ndarray:
        """Return the boxes around the masks (n, 4) float64, xyxy; zeros for empty masks."""
        boxes = np.array(coco_mask.toBbox(self._compressed()), np.float64).reshape(-1, 4)
        boxes[:, 2:] += boxes[:, :2]
        return boxes

    def transform(self, pixels: PixelMap) -> InstanceMasks:
        """Return the masks after ``pixels``, compressed; some may have become empty."""
        height, width = pixels.size
        return InstanceMasks(height, width, tuple(rle.encode(pixels(mask)) for mask in self))

    def _compressed(self) -> list[dict[str, object]]:
        return [{"size": [self.height, self.width], "counts": counts} for counts in self.counts]


@dataclass(frozen=True)
class PixelMap:
    """The pixel of the original image that each pixel of a changed one shows.

    Flips, crops and nearest resizing treat rows and columns apart. However many of them follow each
    other, applying them takes one look-up and needs no bitmaps of the steps between.

    Attributes:
        rows: (h,) row of the original image that each row shows.
        columns: (w,) column of the original image that each column shows.
    """

    rows: np.ndarray
    columns: np.ndarray

    @classmethod
    def identity(cls, height: int, width: int) -> PixelMap:
        """Return the map of an unchanged image."""
        return cls(np.arange(height), np.arange(width))

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the changed image."""
        return len(self.rows), len(self.columns)

    def flip(self) -> PixelMap:
        """Mirror left and right: a box (x1, x2) becomes (w - x2, w - x1)."""
        return PixelMap(self.rows, self.columns[::-1])

    def resize(self, height: int, width: int) -> PixelMap:
        """Resize to ``height`` x ``width`` as ``cv2.resize`` with ``INTER_NEAREST`` does.

        A box is multiplied by width / w and height / h. mmdetection resizes masks this way.
        """
        return PixelMap(
            self.rows[_nearest(len(self.rows), height)],
            self.columns[_nearest(len(self.columns), width)],
        )

    def crop(self, top: int, left: int, height: int, width: int) -> PixelMap:
        """Cut out ``height`` x ``width`` pixels, or what of them lies inside of the image."""
        return PixelMap(self.rows[top : top + height], self.columns[left : left + width])

    def __call__(self, image: np.ndarray) -> np.ndarray:
        """Return ``image`` (H, W, ...) after the changes."""
        # Columns first: decoded masks are column-major.
        return image.take(self.columns, axis=1).take(self.rows, axis=0)


def _nearest(old: int, new: int) -> np.ndarray:
    """Return the pixel of ``old`` that each of ``new`` pixels shows, rounded like OpenCV."""
    # OpenCV inverts new / old; old / new would differ in the last bit and so by a whole pixel.
    step = 1.0 / (new / old)
    return np.minimum(np.floor(np.arange(new) * step).astype(np.int64), old - 1)
