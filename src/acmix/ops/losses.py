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


def pixel_cross_entropy(logits: Tensor, labels: Tensor, ignored: int) -> Tensor:
    """Return the softmax cross entropy, averaged over ALL pixels: ignored ones count as 0.

    Args:
        logits: (N, K), a row per pixel.
        labels: (N,) integers from 0 to K - 1, or ``ignored``.
        ignored: label of pixels without a class.
    """
    counted = labels != ignored
    # On Ascend an index outside of 0..K-1 is undefined.
    classes = labels.astype(ms.int32) * counted.astype(ms.int32)
    count, one, zero = logits.shape[1], Tensor(1, ms.float32), Tensor(0, ms.float32)
    losses, _ = ops.SoftmaxCrossEntropyWithLogits()(
        logits.astype(ms.float32), ops.OneHot()(classes, count, one, zero)
    )
    return (losses * counted.astype(ms.float32)).mean()
