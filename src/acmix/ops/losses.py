"""Losses of dense networks, computed and returned in float32."""

from __future__ import annotations

import mindspore as ms
from mindspore import Tensor, ops


def sigmoid_focal_loss(logits: Tensor, targets: Tensor, alpha: float, gamma: float) -> Tensor:
    """Return the focal loss -alpha_t (1 - p_t)^gamma log(p_t) of every element.

    Lin et al., "Focal Loss for Dense Object Detection", ICCV 2017, Eq. 5. With the margin
    z = +-logit, p_t = sigmoid(z), both logarithms are softplus functions: log(p_t) =
    -softplus(-z) and log(1 - p_t) = -softplus(z). Nothing overflows or cancels, and the gradient
    is finite for every logit and every gamma >= 0.

    Args:
        logits: any shape.
        targets: the same shape, 1 for the class and 0 for the others; any type.
        alpha: weight of the ones; the zeros have 1 - alpha.
        gamma: focusing parameter; 0 gives weighted cross entropy.
    """
    targets = targets.astype(ms.float32)
    margin = logits.astype(ms.float32) * (2 * targets - 1)
    size = ops.abs(margin)
    rest = ops.log1p(ops.exp(-size))
    # softplus(+-z) = max(+-z, 0) + rest; the mean of |z| and +-z has the right slope at 0 too.
    log_p = -(0.5 * (size - margin) + rest)
    log_other = -(0.5 * (size + margin) + rest)
    weight = (1 - alpha) + (2 * alpha - 1) * targets
    return -weight * ops.exp(gamma * log_other) * log_p


def binary_cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """Return -log(p_t) of every element: twice the focal loss without focus, of equal weights."""
    return 2 * sigmoid_focal_loss(logits, targets, 0.5, 0.0)


def smooth_l1(prediction: Tensor, target: Tensor, beta: float) -> Tensor:
    """Return 0.5 d^2 / beta where d = |prediction - target| is below beta, else d - 0.5 beta.

    Girshick, "Fast R-CNN", ICCV 2015, Eq. 3, with the bend at ``beta``; 0 gives the L1 loss.
    """
    distance = ops.abs(prediction.astype(ms.float32) - target.astype(ms.float32))
    if beta == 0:
        return distance
    bent = ops.minimum(distance, beta)
    return bent * (distance - 0.5 * bent) / beta


def softmax_cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """Return the softmax cross entropy of every row, (N,).

    One operator for the whole, and so is its gradient. Those of a look-up at the labels are three
    times as many; on Ascend at jit_level O2 one of them runs on the slow AI CPUs.

    Args:
        logits: (N, K).
        targets: (N, K) float32, probabilities; see :func:`label_targets`.
    """
    return ops.SoftmaxCrossEntropyWithLogits()(logits.astype(ms.float32), targets)[0]


def label_targets(labels: Tensor, count: int, smoothing: float = 0.0) -> Tensor:
    """Return probabilities (N, K): of 1 at the label, less ``smoothing``, which all classes share.

    Args:
        labels: (N,) int32, from 0 to ``count`` - 1: others are undefined on Ascend.
        count: number K of classes.
        smoothing: in [0, 1).
    """
    rest = smoothing / count
    on, off = Tensor(1 - smoothing + rest, ms.float32), Tensor(rest, ms.float32)
    return ops.OneHot()(labels, count, on, off)


def pixel_cross_entropy(logits: Tensor, labels: Tensor, ignored: int) -> Tensor:
    """Return the softmax cross entropy, averaged over ALL pixels: ignored ones count as 0.

    Args:
        logits: (N, K), a row per pixel.
        labels: (N,) integers from 0 to K - 1, or ``ignored``.
        ignored: label of pixels without a class.
    """
    counted = labels != ignored
    classes = labels.astype(ms.int32) * counted.astype(ms.int32)
    losses = softmax_cross_entropy(logits, label_targets(classes, logits.shape[1]))
    return (losses * counted.astype(ms.float32)).mean()
