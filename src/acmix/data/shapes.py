"""Synthetic data set of coloured shapes on textured backgrounds, with boxes and masks."""

from __future__ import annotations

import math
from functools import lru_cache, partial
from typing import Any

import cv2
import numpy as np
from pycocotools import mask as coco_mask

from acmix.data.annotations import DetectionSamples
from acmix.data.coco_form import read_categories, read_records
from acmix.data.samples import Split

CLASSES = ("circle", "rectangle", "triangle")
NUM_IMAGES = {"train": 512, "val": 128}
STREAMS = {"train": 0, "val": 1}

_SIDES = (96, 160)
_MAX_SHAPES = 5
# Radius of the circle around a shape as a fraction of the shorter side.
_RADII = (0.12, 0.28)
# Minimum visible fraction of a shape; more occlusion would make its class ambiguous.
_VISIBLE = 0.6
_ATTEMPTS = 10


def shapes(split: Split, seed: int = 0, masks: bool = False) -> DetectionSamples:
    """Return one split of the shapes: 512 training or 128 validation images.

    Images have sides of 96 to 160 pixels and one to five shapes: circles, rectangles and triangles
    of random colour and rotation that partly overlap. Boxes and masks (COCO's compressed RLE)
    enclose the visible part of a shape. Image ``i`` is generated from (seed, split, i) when it is
    read for the first time.

    Args:
        split: ``train`` or ``val``, which have no image in common.
        seed: seed of the data set, independent of the seed of a run, so that runs use the same
            images.
        masks: whether the records have masks.
    """
    count, stream = NUM_IMAGES[split], STREAMS[split]
    tree = _annotate([Scene(seed, stream, index) for index in range(count)])
    return DetectionSamples(
        categories=read_categories(tree, "shapes"),
        records=read_records(tree, "shapes", masks),
        names=tuple(f"shapes {split} {index}" for index in range(count)),
        read=partial(encoded_scene, seed, stream),
        tree=partial(dict, tree),
    )


@lru_cache(sum(NUM_IMAGES.values()))
def encoded_scene(seed: int, stream: int, index: int) -> bytes:
    """Return the rendered image. It is kept: an epoch of drawing takes longer than of reading."""
    return Scene(seed, stream, index).encode()


class Scene:
    """Shapes of one image: the visible shape at every pixel, and the classes.

    Attributes:
        owner: (H, W) uint8, number of the visible shape at each pixel, 0 for the background.
        labels: class of each shape, starting with shape number 1.
    """

    def __init__(self, seed: int, stream: int, index: int) -> None:
        self._rng = np.random.default_rng((seed, stream, index))
        width, height = (int(side) for side in self._rng.integers(*_SIDES, size=2, endpoint=True))
        self.owner = np.zeros((height, width), np.uint8)
        self.labels: list[int] = []
        areas: list[float] = []
        for _ in range(self._rng.integers(1, _MAX_SHAPES, endpoint=True)):
            for _ in range(_ATTEMPTS):
                label = int(self._rng.integers(len(CLASSES)))
                owner, area = self._with_shape(label)
                visible = np.bincount(owner.ravel(), minlength=len(areas) + 2)[1:]
                if (visible >= _VISIBLE * np.array([*areas, area])).all():
                    self.owner = owner
                    self.labels.append(label)
                    areas.append(area)
                    break

    def _with_shape(self, label: int) -> tuple[np.ndarray, float]:
        """Draw a new shape on top; return the new ``owner`` and the shape's unclipped area."""
        rng = self._rng
        height, width = self.owner.shape
        radius = min(height, width) * rng.uniform(*_RADII)
        # Allows a shape to extend slightly beyond the border.
        centre = rng.uniform(0.7 * radius, np.array([width, height]) - 0.7 * radius)
        outline = centre + radius * _outline(CLASSES[label], rng)
        owner = self.owner.copy()
        number = len(self.labels) + 1
        cv2.fillPoly(owner, [np.rint(outline).astype(np.int32)], number)
        return owner, cv2.contourArea(outline.astype(np.float32))

    @property
    def label_map(self) -> np.ndarray:
        """(H, W) uint8: 0 for the background, class + 1 for shapes."""
        return np.array([0, *(label + 1 for label in self.labels)], np.uint8)[self.owner]

    def encode(self) -> bytes:
        """Render the scene as a PPM file, which needs no compression."""
        rng = self._rng
        height, width = self.owner.shape
        ground = rng.uniform(70, 190) + rng.uniform(-25, 25, (1, 3))
        colours = np.concatenate([ground, _colours(len(self.labels), rng)])
        coarse = rng.normal(0, 25, (height // 12, width // 12, 3)).astype(np.float32)
        texture = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
        texture[self.owner > 0] *= 0.3
        grain = rng.normal(0, 8, (height, width, 1))
        pixels = np.clip(colours[self.owner] + texture + grain, 0, 255).astype(np.uint8)
        return b"P6 %d %d 255\n" % (width, height) + pixels.tobytes()


def _outline(name: str, rng: np.random.Generator) -> np.ndarray:
    """Return the corners (n, 2) of a randomly rotated shape inside the unit circle."""
    turn = rng.uniform(0, 2 * math.pi)
    if name == "circle":
        angles = np.linspace(0, 2 * math.pi, 48, endpoint=False)
    elif name == "rectangle":
        half = math.atan(rng.uniform(0.5, 1.0))  # aspect ratio from 1:2 to 1:1
        angles = np.array([half, math.pi - half, math.pi + half, -half])
    else:
        angles = 2 * math.pi / 3 * (np.arange(3) + rng.uniform(-0.15, 0.15, 3))
    return np.stack([np.cos(angles + turn), np.sin(angles + turn)], axis=-1)


def _colours(count: int, rng: np.random.Generator) -> np.ndarray:
    """Draw saturated colours (count, 3) in 0..255; backgrounds are unsaturated."""
    hsv = rng.uniform((0, 170, 150), (180, 255, 255), (1, count, 3)).astype(np.uint8)
    return cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)[0].astype(np.float64)


def _annotate(scenes: list[Scene]) -> dict[str, Any]:
    """Return COCO annotations of scenes; ids start at 1."""
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for image_id, scene in enumerate(scenes, start=1):
        height, width = scene.owner.shape
        images.append(
            {"id": image_id, "file_name": f"{image_id}.ppm", "width": width, "height": height}
        )
        for number, label in enumerate(scene.labels, start=1):
            mask = coco_mask.encode(np.asfortranarray(scene.owner == number, np.uint8))
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": image_id,
                    "category_id": label + 1,
                    "bbox": coco_mask.toBbox(mask).tolist(),
                    "area": float(coco_mask.area(mask)),
                    "iscrowd": 0,
                    "segmentation": mask | {"counts": mask["counts"].decode("ascii")},
                }
            )
    categories = [{"id": i, "name": name} for i, name in enumerate(CLASSES, start=1)]
    return {"info": {}, "images": images, "annotations": annotations, "categories": categories}
