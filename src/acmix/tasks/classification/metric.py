"""Top-1 and top-5 accuracy, and the cross entropy."""

from __future__ import annotations

import json
import math

import numpy as np

from acmix.engine.objective import VALIDATION_LOSS
from acmix.errors import UserError, check
from acmix.parallel import World

IGNORED = -1
"""Label of padded samples, in losses and metrics."""


class ClassificationMetric:
    """Accumulates the confusion matrix, the number of top-5 hits and the cross entropy.

    Attributes:
        confusion: int64 (K, K), rows are true classes, columns predicted ones.
        top5_hits: number of samples whose class is among the min(5, K) largest logits.
        entropy: sum over the samples of the cross entropy, without label smoothing, in nats.
    """

    def __init__(self, num_classes: int):
        self.num_classes = num_classes
        self.confusion = np.zeros((num_classes, num_classes), np.int64)
        self.top5_hits = 0
        self.entropy = 0.0

    def update(self, outputs: np.ndarray | tuple[np.ndarray, ...], *targets: np.ndarray) -> None:
        """Add logits (B, K) and labels (B,); samples with label -1 are ignored.

        Raises:
            UserError: a logit of a counted sample is not finite, or a label is out of range.
        """
        (labels,) = targets
        counted = labels != IGNORED
        logits, labels = np.asarray(outputs)[counted], labels[counted]
        if not np.isfinite(logits).all():
            raise UserError("The logits hold NaN or Inf: the network has diverged.")
        if labels.size and not (labels.min() >= 0 and labels.max() < self.num_classes):
            raise UserError(
                f"The labels range over {labels.min()}..{labels.max()}, but the model has "
                f"{self.num_classes} classes."
            )
        np.add.at(self.confusion, (labels, logits.argmax(axis=1)), 1)
        own = np.take_along_axis(logits, labels[:, None].astype(np.int64), axis=1)
        rank = (logits > own).sum(axis=1)
        self.top5_hits += int((rank < min(5, self.num_classes)).sum())
        if labels.size:
            self.entropy += _cross_entropy(logits.astype(np.float64), own[:, 0])

    def all_reduce(self, world: World) -> None:
        """Add the counts of the other devices."""
        self.confusion = world.all_reduce(self.confusion)
        self.top5_hits = int(world.all_reduce(np.array([self.top5_hits]))[0])
        # Rounded once, whatever the number of devices.
        self.entropy = math.fsum(map(json.loads, world.gather(json.dumps(self.entropy).encode())))

    def compute(self) -> dict[str, float]:
        """Return ``top1`` and ``top5`` as fractions in [0, 1], and the mean cross entropy.

        Raises:
            UserError: no sample was counted.
        """
        count = int(self.confusion.sum())
        check(count > 0, "There is no labelled sample to evaluate.")
        return {
            "top1": float(np.trace(self.confusion) / count),
            "top5": self.top5_hits / count,
            VALIDATION_LOSS: self.entropy / count,
        }

    def per_class(self) -> np.ndarray:
        """Return the accuracy of each class (K,); NaN for a class without samples."""
        counts = self.confusion.sum(axis=1)
        hits = np.diag(self.confusion)
        return np.divide(hits, counts, out=np.full(len(hits), np.nan), where=counts > 0)


def _cross_entropy(logits: np.ndarray, own: np.ndarray) -> float:
    """Return the sum over samples of log(sum(exp(logits))) - own, for logits (B, K), own (B,)."""
    largest = logits.max(axis=1)
    total = np.exp(logits - largest[:, None]).sum(axis=1)
    return float((np.log(total) + largest - own).sum())
