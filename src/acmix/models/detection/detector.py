"""The interface of every detector to training, evaluation, export and tools."""

from __future__ import annotations

from mindspore import Tensor

from acmix.errors import check
from acmix.layers.full_precision import FullPrecision
from acmix.models.backbone import Backbone
from acmix.models.detection.post_process import PostProcess


class Detector(FullPrecision):
    """A backbone and a head that finds objects in its maps.

    Boxes are float32 (x1, y1, x2, y2) in pixels of the images, which may have any size; they, the
    losses and the choice of detections stay in float32 under mixed precision. Letters: A anchors
    of all levels, K classes, M padded ground-truth boxes, N candidates, D detections.

    Args:
        backbone: made with ``features_only=True``.
        num_classes: K, without background.
        post_process: rules by which detections are chosen.

    Attributes:
        loss_names: names of what :meth:`losses` returns, the total first.
        strides: pixels of the image per location of each pyramid level.
        num_anchors: per location.
        out_indices: the backbone's stages that are used unless others are asked for.
    """

    loss_names: tuple[str, ...]
    strides: tuple[int, ...]
    num_anchors: int
    out_indices: tuple[int, ...] = (-3, -2, -1)

    def __init__(self, backbone: Backbone, num_classes: int, post_process: PostProcess):
        super().__init__()
        check(num_classes >= 1, f"num_classes must be at least 1, got {num_classes}.")
        check(
            backbone.out_indices is not None,
            "A detector needs feature maps: make the backbone with features_only=True.",
        )
        self.backbone = backbone
        self.num_classes = num_classes
        self.post_process = post_process

    def losses(self, images: Tensor, boxes: Tensor, labels: Tensor) -> tuple[Tensor, ...]:
        """Return the scalar losses of a batch, float32, the total first.

        Args:
            images: (B, C, H, W).
            boxes: (B, M, 4), zeros where the label is padding.
            labels: (B, M) int32, 0 to K - 1, or -1 for padding.
        """
        raise NotImplementedError

    def candidates(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the input of non-maximum suppression, see :meth:`PostProcess.candidates`."""
        raise NotImplementedError

    def decoded(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits (B, A, K) and boxes (B, A, 4), cut at the borders, of all anchors.

        This is where a network without top-k and non-maximum suppression ends;
        :class:`.HostPostProcess` goes on. Two-stage detectors have no such end.
        """
        raise NotImplementedError

    def detect(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the detections, see :meth:`PostProcess.detections`; B must be static."""
        boxes, scores, labels = self.candidates(images)
        _, _, height, width = images.shape
        return self.post_process.detections(boxes, scores, labels, self.num_classes, height, width)
