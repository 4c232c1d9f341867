"""Operators of detectors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from acmix.tools.rehearsal.npu.registry import operator


@operator("NMSWithMask", "box_scores >selected_boxes >selected_idx >selected_mask")
def nms_with_mask(
    boxes: np.ndarray, *, iou_threshold: float = 0.5
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return boxes (N, 5), best first, their places, and which have no better one over them.

    Boxes come as they are: CANN does not sort them by their scores. A kept box drops all later
    ones whose IoU with it is larger than the threshold; no pixel is added to sides.
    """
    left, top, right, bottom = boxes[:, :4].T
    area = (right - left) * (bottom - top)
    kept = np.ones(len(boxes), np.bool_)
    for i in range(len(boxes)):
        if kept[i]:
            later = slice(i + 1, None)
            wide = np.minimum(right[i], right[later]) - np.maximum(left[i], left[later])
            high = np.minimum(bottom[i], bottom[later]) - np.maximum(top[i], top[later])
            common = np.maximum(wide, 0) * np.maximum(high, 0)
            kept[later] &= ~(common / (area[i] + area[later] - common) > iou_threshold)
    return boxes, np.arange(len(boxes)), kept


@operator("Iou", "bboxes gtboxes >overlap")
def iou(
    boxes: np.ndarray, truths: np.ndarray, *, mode: str = "iou", eps: float = 1.0
) -> np.ndarray:
    """Return the overlap (M, N) of boxes (N, 4) with truths (M, 4), ``eps`` added to sides.

    The common area goes by the area of both, or of the truth alone with mode ``iof``.
    """
    if mode not in ("iou", "iof"):
        raise ValueError(f"mode {mode} is not known")
    left, top, right, bottom = boxes.T
    x0, y0, x1, y1 = truths.T[:, :, None]
    wide = np.maximum(np.minimum(right, x1) - np.maximum(left, x0) + eps, 0)
    high = np.maximum(np.minimum(bottom, y1) - np.maximum(top, y0) + eps, 0)
    common, of_truth = wide * high, (x1 - x0 + eps) * (y1 - y0 + eps)
    of_box = (right - left + eps) * (bottom - top + eps)
    return common / (of_truth if mode == "iof" else of_truth + of_box - common)


@operator("ROIAlign", "features rois rois_n >y")
def roi_align(
    features: np.ndarray,
    rois: np.ndarray,
    rois_n: None,
    *,
    spatial_scale: float,
    pooled_height: int,
    pooled_width: int,
    sample_num: int = 2,
    roi_end_mode: int = 1,
) -> np.ndarray:
    """Return means of samples in each cell of each roi: an image index, and x0, y0, x1, y1.

    Samples are linear between pixels, hence y = rows @ image @ columns^T for each roi.
    """
    size, sizes = (pooled_height, pooled_width), features.shape[2:]
    weights = _roi_weights(rois, spatial_scale, size, sizes, sample_num, roi_end_mode)
    y = [rows @ features[image] @ columns.T for image, rows, columns in weights]
    return np.stack(y)


@operator("ROIAlignGrad", "ydiff rois rois_n >xdiff")
def roi_align_grad(
    gradient: np.ndarray,
    rois: np.ndarray,
    rois_n: None,
    *,
    xdiff_shape: Sequence[int],
    spatial_scale: float,
    pooled_height: int,
    pooled_width: int,
    sample_num: int = 2,
    roi_end_mode: int = 1,
) -> np.ndarray:
    """Return the gradient of features of the shape ``xdiff_shape``."""
    size = (pooled_height, pooled_width)
    total = np.zeros(xdiff_shape, gradient.dtype)
    weights = _roi_weights(rois, spatial_scale, size, xdiff_shape[2:], sample_num, roi_end_mode)
    for one, (image, rows, columns) in zip(gradient, weights, strict=True):
        total[image] += rows.T @ one @ columns
    return total


def _roi_weights(
    rois: np.ndarray,
    scale: float,
    cells: tuple[int, int],
    sizes: Sequence[int],
    samples: int,
    end_mode: int,
) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """Yield the image of each roi, and the weights of its rows and columns in the roi's cells.

    A roi ends after its last pixel with ``end_mode`` 1; else it is a pixel long at least.
    """
    for image, x0, y0, x1, y1 in rois.tolist():
        high, wide = ((end - start + end_mode) * scale for start, end in ((y0, y1), (x0, x1)))
        if end_mode == 0:
            high, wide = max(high, 1.0), max(wide, 1.0)
        rows = _cell_weights(y0 * scale, high, cells[0], sizes[0], samples)
        columns = _cell_weights(x0 * scale, wide, cells[1], sizes[1], samples)
        yield int(image), rows, columns


def _cell_weights(start: float, length: float, cells: int, size: int, samples: int) -> np.ndarray:
    """Return (cells, size): how much of each pixel of an axis is in each cell's mean.

    Samples outside of the axis by more than a pixel count as zeros.
    """
    step = length / cells
    count = samples if samples > 0 else int(np.ceil(step))
    each = (np.arange(cells)[:, None] + (np.arange(count) + 0.5) / count) * step + start
    inside = (each >= -1) & (each <= size)
    each = np.clip(each, 0, size - 1)
    below = np.floor(each).astype(np.int64)
    weights = np.zeros((cells, size), np.float32)
    cell = np.broadcast_to(np.arange(cells)[:, None], each.shape)
    np.add.at(weights, (cell, below), inside * (1 - (each - below)) / count)
    np.add.at(weights, (cell, np.minimum(below + 1, size - 1)), inside * (each - below) / count)
    return weights
