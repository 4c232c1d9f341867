"""Image classification: cross entropy with label smoothing."""

from __future__ import annotations

import mindspore as ms
from mindspore import Tensor, nn, ops

from acmix.errors import check
from acmix.layers.full_precision import FullPrecision
from acmix.models.backbone import Backbone
from acmix.ops.losses import label_targets, softmax_cross_entropy
from acmix.tasks.classification.metric import ClassificationMetric


class ClassificationObjective:
    """Training and evaluation of a classifier from images (B, C, H, W) to logits (B, K).

    Args:
        model: the classifier.
        num_classes: K.
        label_smoothing: fraction of the target probability that is spread evenly over all K
            classes, in [0, 1) (Szegedy et al., arXiv:1512.00567, section 7).

    Raises:
        UserError: fewer than two classes, or a label smoothing outside [0, 1).
    """

    loss_names: tuple[str, ...] = ("loss",)
    monitor = "top1"
    eval_inputs = 1

    def __init__(self, model: nn.Cell, num_classes: int, label_smoothing: float = 0.0):
        check(num_classes >= 2, f"num_classes must be at least 2, got {num_classes}.")
        check(
            0 <= label_smoothing < 1, f"label_smoothing must be in [0, 1), got {label_smoothing}."
        )
        self.model = model
        self.num_classes = num_classes
        self.train_network = ClassificationLoss(model, label_smoothing)
        self.eval_network = Logits(model)

    def metric(self) -> ClassificationMetric:
        """Return an empty :class:`ClassificationMetric`."""
        return ClassificationMetric(self.num_classes)


class ClassificationLoss(FullPrecision):
    """Mean cross entropy of a model's logits over the labels that are not -1.

    Labels are classes (B,), int32, or soft labels (B, K'), float32, of mixed samples; smoothing
    applies to both. K' is less than K if the model has more outputs than the data set has classes.
    The loss is float32 for every precision of the model; a batch without labels has loss 0. A model
    with several classifiers gives the mean of their losses, see :meth:`Backbone.training_logits`.
    """

    def __init__(self, model: nn.Cell, label_smoothing: float = 0.0):
        super().__init__(auto_prefix=False)
        self.model = model
        self.label_smoothing = label_smoothing
        self.separate = isinstance(model, Backbone) and model.has_training_logits()

    def construct(self, images: Tensor, labels: Tensor) -> tuple[Tensor]:
        """Return ``(loss,)`` of images (B, C, H, W) and labels (B,) int32 or (B, K') float32."""
        if not self.separate:
            return (self.cross_entropy(self.model(images), labels),)
        outputs = self.model.training_logits(images)
        total = self.cross_entropy(outputs[0], labels)
        for logits in outputs[1:]:
            total = total + self.cross_entropy(logits, labels)
        return (total / len(outputs),)

    def cross_entropy(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Return the mean cross entropy of logits (B, K) over the labels that are not -1."""
        logits = logits.astype(ms.float32)
        if labels.ndim == 2:
            return self.soft_cross_entropy(logits, labels.astype(ms.float32))
        classes = ops.maximum(labels, 0)
        targets = label_targets(classes, logits.shape[1], self.label_smoothing)
        losses = softmax_cross_entropy(logits, targets)
        counted = (labels >= 0).astype(ms.float32)
        total = ops.ReduceSum()(losses * counted)
        return total / ops.maximum(ops.ReduceSum()(counted), 1.0)

    def soft_cross_entropy(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Return the mean cross entropy of logits (B, K) and target probabilities (B, K')."""
        batch, known = targets.shape
        if known < logits.shape[1]:
            rest = ops.zeros((batch, logits.shape[1] - known), ms.float32)
            targets = ops.concat((targets, rest), axis=1)
        if self.label_smoothing > 0:
            rest = self.label_smoothing / logits.shape[1]
            targets = targets * (1 - self.label_smoothing) + rest
        return ops.ReduceMean()(softmax_cross_entropy(logits, targets))


class Logits(FullPrecision):
    """A classifier with float32 logits."""

    def __init__(self, model: nn.Cell):
        super().__init__(auto_prefix=False)
        self.model = model

    def construct(self, images: Tensor) -> Tensor:
        """Return logits (B, K) of images (B, C, H, W)."""
        return self.model(images).astype(ms.float32)
