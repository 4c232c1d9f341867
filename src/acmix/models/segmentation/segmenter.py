"""The interface of every segmenter to training, evaluation, export and tools."""

from __future__ import annotations

from typing import ClassVar

import mindspore as ms
from mindspore import Parameter, Tensor, ops

from acmix.config.segmentation import IGNORED_LABEL
from acmix.errors import check
from acmix.layers.full_precision import FullPrecision
from acmix.models.backbone import Backbone
from acmix.models.fpn import level_strides
from acmix.models.segmentation.parts import PixelClassifier
from acmix.ops.losses import pixel_cross_entropy
from acmix.ops.resample import resize, resize_to_rows

IGNORED = IGNORED_LABEL
"""Label of pixels without a class: they add nothing to the loss and to the metric."""


class Segmenter(FullPrecision):
    """A backbone and a head that gives every pixel K logits.

    Logits and losses stay in float32 under mixed precision.

    Args:
        backbone: made with ``features_only=True``; its maps are in the order fine to coarse.
        num_classes: K.

    Attributes:
        loss_names: names of what :meth:`losses` returns, the total first.
        strides: pixels of the image per location of the backbone's maps.
        stride: pixels of the image per logit of :meth:`construct`, those of the finest map.
        out_indices: the backbone's stages that are used unless others are asked for.
        classifier_name: path of the convolution that gives the logits.
        training_only: names of child Cells that only :meth:`losses` calls.

    Shape:
        (B, C, H, W) to (B, K, h, w), the size of the backbone's finest map; any H and W.
    """

    loss_names: tuple[str, ...] = ("loss",)
    out_indices: tuple[int, ...] = (-4, -3, -2, -1)
    classifier_name: ClassVar[str] = "decode_head.classifier.conv_seg"
    training_only: tuple[str, ...] = ()

    def __init__(self, backbone: Backbone, num_classes: int):
        super().__init__()
        check(
            2 <= num_classes <= IGNORED,
            f"num_classes must be from 2 to {IGNORED}, as label {IGNORED} is ignored, "
            f"got {num_classes}.",
        )
        check(
            backbone.out_indices is not None,
            "A segmenter needs feature maps: make the backbone with features_only=True.",
        )
        self.backbone = backbone
        self.num_classes = num_classes
        info = backbone.feature_info
        self.strides = level_strides([stage.reduction for stage in info], len(info))
        self.stride = self.strides[0]

    def extend_repr(self) -> str:
        """Return what ``print`` shows of the network beside its parts."""
        return f"num_classes={self.num_classes}, stride={self.stride}"

    def classifier_parameters(self) -> list[Parameter]:
        """Return the parameters that depend on the number of classes, and of their dropout."""
        cells = [cell for _, cell in self.cells_and_names() if isinstance(cell, PixelClassifier)]
        return [parameter for cell in cells for parameter in cell.get_parameters()]

    def construct(self, images: Tensor) -> Tensor:
        """Return the logits at the head's own resolution."""
        raise NotImplementedError

    def losses(self, images: Tensor, labels: Tensor) -> tuple[Tensor, ...]:
        """Return the scalar losses of a batch, float32, the total first.

        Args:
            images: (B, C, H, W).
            labels: (B, H, W) int32, 0 to K - 1, or :data:`IGNORED`.
        """
        return (self.loss_of(self.construct(images), labels),)

    def segment(self, images: Tensor) -> Tensor:
        """Return the logits (B, K, H, W) of every pixel."""
        _, _, height, width = images.shape
        return resize(self.construct(images), height, width)

    def labels(self, images: Tensor) -> Tensor:
        """Return the most probable class of every pixel, (B, H, W) int32."""
        _, _, height, width = images.shape
        rows = resize_to_rows(self.construct(images), height, width)
        return ops.Argmax(-1, ms.int32)(rows).reshape((-1, height, width))

    def loss_of(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Return the cross entropy of logits stretched to the labels, a mean over ALL pixels."""
        _, height, width = labels.shape
        rows = resize_to_rows(logits.astype(ms.float32), height, width)
        return pixel_cross_entropy(rows, labels.reshape((-1,)), IGNORED)
