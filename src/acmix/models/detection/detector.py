"""The interface of every detector to training, evaluation, export and tools."""

from __future__ import annotations

from typing import ClassVar

from mindspore import Parameter, Tensor

from acmix.errors import check
from acmix.layers.full_precision import FullPrecision
from acmix.models.backbone import Backbone
from acmix.models.detection.post_process import PostProcess


class Detector(FullPrecision):
    """A backbone and a head that finds objects in its maps.

    Boxes are float32 (x1, y1, x2, y2) in pixels of the images, which may have any size; they, the
    losses and the choice of detections stay in float32 under mixed precision. Letters: K classes, M
    padded ground-truth boxes, D detections.

    Args:
        backbone: made with ``features_only=True``.
        num_classes: K, without background.
        post_process: rules by which detections are chosen.

    Attributes:
        loss_names: names of what :meth:`losses` returns, the total first.
        has_masks: whether objects have masks, too.
        out_indices: the backbone's stages that are used unless others are asked for.
        classifier_name: path of a layer whose outputs :meth:`classes_of` counts.
    """

    loss_names: tuple[str, ...]
    has_masks: bool = False
    out_indices: tuple[int, ...] = (-3, -2, -1)
    classifier_name: ClassVar[str]

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

    @classmethod
    def classes_of(cls, outputs: int) -> int:
        """Return the number of classes of a network whose classifier has so many outputs."""
        raise NotImplementedError

    def extend_repr(self) -> str:
        """Return what ``print`` shows of the network beside its parts."""
        return f"num_classes={self.num_classes}"

    def classifier_parameters(self) -> list[Parameter]:
        """Return the parameters that depend on the number of classes."""
        raise NotImplementedError

    def losses(
        self,
        images: Tensor,
        boxes: Tensor,
        labels: Tensor,
        sizes: Tensor,
        masks: Tensor | None = None,
    ) -> tuple[Tensor, ...]:
        """Return the scalar losses of a batch, float32, the total first.

        Args:
            images: (B, C, H, W).
            boxes: (B, M, 4), zeros where the label is padding.
            labels: (B, M) int32, 0 to K - 1, or -1 for padding.
            sizes: (B, 2) float32, height and width of each image without padding.
            masks: (B, M, S, S), see :func:`.crop_targets`; None where no masks are learned.
        """
        raise NotImplementedError

    def detect(self, images: Tensor, sizes: Tensor | None = None) -> tuple[Tensor, ...]:
        """Return the detections; B must be static.

        Args:
            images: (B, C, H, W).
            sizes: (B, 2) float32, height and width of each image without padding; None: H and W.

        Returns:
            Boxes (B, D, 4), scores (B, D) and labels (B, D) int32, see
            :meth:`PostProcess.detections`; with ``has_masks`` also (B, D, S, S), the probability of
            each pixel of a box.
        """
        raise NotImplementedError
