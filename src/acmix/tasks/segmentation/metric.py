"""Mean intersection over union, and accuracies of pixels."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from acmix.config.segmentation import IGNORED_LABEL
from acmix.errors import UserError, check
from acmix.parallel import World
from acmix.tasks.segmentation.label_map import Shape, labels_at


class SegmentationMetric:
    """Accumulates the confusion matrix of all labelled pixels.

    Predictions are compared with the labels at their original size, one image after the other.

    Args:
        num_classes: number K of the network's outputs.
        ground_truth: function from the position of an image in the split to its labels
            (H, W) uint8; 255 is ignored.
        padded: function from height and width of an image in the network's input to those of the
            input; None where images are not padded.

    Attributes:
        confusion: int64 (K, K), rows are true classes, columns predicted ones.
    """

    def __init__(
        self,
        num_classes: int,
        ground_truth: Callable[[int], np.ndarray],
        padded: Callable[[Shape], Shape] | None = None,
    ):
        self.num_classes = num_classes
        self.confusion = np.zeros((num_classes, num_classes), np.int64)
        self._ground_truth = ground_truth
        self._padded = padded or (lambda size: size)

    def update(self, outputs: np.ndarray | tuple[np.ndarray, ...], *targets: np.ndarray) -> None:
        """Add logits (B, K, h, w) of any resolution.

        Args:
            outputs: the logits.
            *targets: positions (B,) of the images in the split, -1 for padding, and their heights
                and widths (B, 2) in the network's input.

        Raises:
            UserError: a logit is not finite, a label file cannot be read, or a label is out of
                range.
        """
        positions, sizes = targets
        for logits, position, size in zip(np.asarray(outputs), positions, sizes, strict=True):
            if position < 0:
                continue
            if not np.isfinite(logits).all():
                raise UserError("The logits hold NaN or Inf: the network has diverged.")
            truth = self._ground_truth(int(position))
            valid = int(size[0]), int(size[1])
            height, width = truth.shape
            self.add(labels_at(logits, self._padded(valid), (height, width), valid), truth)

    def add(self, predicted: np.ndarray, truth: np.ndarray) -> None:
        """Add the predicted labels of an image, (H, W), and the true ones; 255 is ignored.

        Raises:
            UserError: a label is out of range.
        """
        counted = truth != IGNORED_LABEL
        labels = truth[counted].astype(np.intp)
        if labels.size and labels.max() >= self.num_classes:
            raise UserError(
                f"The labels go up to {labels.max()}, but the model has {self.num_classes} classes."
            )
        pairs = labels * self.num_classes + predicted[counted]
        counts = np.bincount(pairs, minlength=self.num_classes**2)
        self.confusion += counts.reshape(self.confusion.shape)

    def all_reduce(self, world: World) -> None:
        """Add the counts of the other devices."""
        self.confusion = world.all_reduce(self.confusion)

    def compute(self) -> dict[str, float]:
        """Return ``mIoU``, ``mAcc`` and ``aAcc`` as fractions in [0, 1].

        They are the mean of :meth:`per_class`, the mean of :meth:`class_accuracy`, each over the
        classes that have a value, and the share of labelled pixels that are right.

        Raises:
            UserError: no pixel was labelled.
        """
        labelled = int(self.confusion.sum())
        check(labelled > 0, "There is no labelled pixel to evaluate.")
        return {
            "mIoU": float(np.nanmean(self.per_class())),
            "mAcc": float(np.nanmean(self.class_accuracy())),
            "aAcc": float(np.trace(self.confusion) / labelled),
        }

    def per_class(self) -> np.ndarray:
        """Return intersection over union of each class (K,); NaN if neither true nor predicted."""
        union = self.confusion.sum(axis=0) + self.confusion.sum(axis=1) - np.diag(self.confusion)
        return self._share_of(union)

    def class_accuracy(self) -> np.ndarray:
        """Return the share of each class's pixels that are right (K,); NaN for one without."""
        return self._share_of(self.confusion.sum(axis=1))

    def _share_of(self, counts: np.ndarray) -> np.ndarray:
        hits = np.diag(self.confusion)
        return np.divide(hits, counts, out=np.full(len(hits), np.nan), where=counts > 0)
