"""Mean intersection over union, and accuracies of pixels."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from acmix.config.segmentation import IGNORED_LABEL
from acmix.errors import UserError, check
from acmix.parallel import World
from acmix.tasks.segmentation.label_map import Shape, View, labels_of


class SegmentationMetric:
    """Accumulates the confusion matrix of all labelled pixels.

    Predictions are compared with the labels at their original size, one image after the other. Of
    an image with several views, the mean probability of all decides.

    Args:
        num_classes: number K of the network's outputs.
        ground_truth: function from the position of an image in the split to its labels
            (H, W) uint8; 255 is ignored.
        padded: function from height and width of an image in the network's input to those of the
            input; None where images are not padded.
        views: views of each image, which follow each other.

    Attributes:
        confusion: int64 (K, K), rows are true classes, columns predicted ones.
    """

    def __init__(
        self,
        num_classes: int,
        ground_truth: Callable[[int], np.ndarray],
        padded: Callable[[Shape], Shape] | None = None,
        views: int = 1,
    ):
        self.num_classes = num_classes
        self.confusion = np.zeros((num_classes, num_classes), np.int64)
        self._ground_truth = ground_truth
        self._padded = padded or (lambda size: size)
        self._views = views
        self._seen: list[View] = []  # of the image whose views are not complete

    def update(self, outputs: np.ndarray | tuple[np.ndarray, ...], *targets: np.ndarray) -> None:
        """Add logits (B, K, h, w) of any resolution.

        Args:
            outputs: the logits.
            *targets: positions (B,) of the images in the split, -1 for padding; their heights and
                widths (B, 2) in the network's input; and whether they are mirrored (B,).

        Raises:
            UserError: a logit is not finite, a label file cannot be read, or a label is out of
                range.
        """
        for logits, position, size, mirrored in zip(np.asarray(outputs), *targets, strict=True):
            if position < 0:
                continue
            if not np.isfinite(logits).all():
                raise UserError("The logits hold NaN or Inf: the network has diverged.")
            valid = int(size[0]), int(size[1])
            self._seen.append(View(logits, self._padded(valid), valid, bool(mirrored)))
            if len(self._seen) == self._views:
                truth = self._ground_truth(int(position))
                height, width = truth.shape
                self.add(labels_of(self._seen, (height, width)), truth)
                self._seen = []

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
