"""What a training image teaches a detector: boxes, labels and masks in pixels of its input."""

from __future__ import annotations

import numpy as np

from acmix.config import DetectionDataConfig
from acmix.data.annotations import Record
from acmix.data.detection_augment import View
from acmix.data.mask_crops import crop_masks
from acmix.data.pipeline import PADDING


def training_objects(record: Record, view: View, max_boxes: int) -> np.ndarray:
    """Return the indices of the largest ``max_boxes`` objects that a view shows, without crowds."""
    chosen = view.visible(record.boxes, record.masks)
    chosen = chosen[~record.crowd[chosen]]
    if len(chosen) > max_boxes:
        chosen = np.sort(chosen[np.argsort(-record.areas[chosen], kind="stable")[:max_boxes]])
    return chosen


def targets(
    record: Record, view: View, size: tuple[int, int], config: DetectionDataConfig
) -> tuple[np.ndarray, ...]:
    """Return the targets of one image, padded to M = ``max_boxes`` objects.

    Args:
        record: annotations of the original.
        view: what is shown of it.
        size: height and width to which the view is resized.
        config: how many objects, and whether they have masks.

    Returns:
        Boxes (M, 4) float32 and labels (M,) int32; height and width (2,) float32; and with
        ``config.masks`` the masks (M, S, S) uint8, see :func:`.crop_masks`.
    """
    chosen = training_objects(record, view, config.max_boxes)
    count = len(chosen)
    labels = np.full(config.max_boxes, PADDING, np.int32)
    labels[:count] = record.labels[chosen]
    boxes = np.zeros((config.max_boxes, 4), np.float32)
    boxes[:count] = _resized(view, record.boxes[chosen], size)
    padded = (boxes, labels, np.array(size, np.float32))
    if not config.masks:
        return padded
    masks = np.zeros((config.max_boxes, config.mask_size, config.mask_size), np.uint8)
    if count and record.masks is not None:
        pixels = view.pixels(record.masks).resize(*size)
        pixels = pixels.flip() if view.flip else pixels
        shown = record.masks.select(chosen)
        masks[:count] = crop_masks(shown, pixels, boxes[:count], config.mask_size)
    return (*padded, masks)


def _resized(view: View, boxes: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Return boxes (n, 4) of the original in pixels of the resized view."""
    cut = view.boxes(boxes)
    if view.flip:
        left, top, right, bottom = np.moveaxis(cut, -1, 0)
        cut = np.stack([view.width - right, top, view.width - left, bottom], axis=-1)
    # In float32 like the scale of evaluation, so that both place a box at the same pixel.
    scale = np.array([size[1] / view.width, size[0] / view.height], np.float32)
    resized: np.ndarray = cut * np.tile(scale.astype(np.float64), 2)
    return resized
