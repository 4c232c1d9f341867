"""Semantic segmentation: losses and outputs of a segmenter."""

from __future__ import annotations

import mindspore as ms
import numpy as np
from mindspore import Tensor, nn

from acmix.config import SegmentationConfig
from acmix.data import SegmentationDataset
from acmix.errors import UserError
from acmix.layers.full_precision import FullPrecision
from acmix.models.segmentation import Segmenter
from acmix.tasks.segmentation.metric import SegmentationMetric
from acmix.tasks.segmentation.sliding import slide
from acmix.utils.modes import execution_mode


class SegmentationObjective:
    """Training of a segmenter on labels (B, H, W), of which 255 is ignored.

    Args:
        model: the segmenter.
        data: the validation split; None disables evaluation.
        eval_network: from one image to logits, see :func:`logits_network`.
    """

    monitor = "mIoU"
    eval_inputs = 1

    def __init__(
        self,
        model: Segmenter,
        data: SegmentationDataset | None = None,
        eval_network: nn.Cell | None = None,
    ):
        self.model = model
        self.loss_names: tuple[str, ...] = model.loss_names
        self.train_network = SegmentationLoss(model)
        self.eval_network = eval_network or SegmentationLogits(model)
        self._data = data

    def metric(self) -> SegmentationMetric:
        """Return an empty :class:`SegmentationMetric`."""
        data = self._data
        if data is None:
            raise UserError("a segmenter is evaluated against a validation split.")
        return SegmentationMetric(
            self.model.num_classes, data.ground_truth, data.preprocess.padded, len(data.views)
        )


class SegmentationLoss(FullPrecision):
    """Losses of a segmenter; the first is their sum."""

    def __init__(self, model: Segmenter):
        super().__init__(auto_prefix=False)
        self.model = model

    def construct(self, images: Tensor, labels: Tensor) -> tuple[Tensor, ...]:
        """Return the losses of images (B, C, H, W) and labels (B, H, W)."""
        return self.model.losses(images, labels)


class SegmentationLogits(FullPrecision):
    """A segmenter with the head's own logits.

    Shape:
        (B, C, H, W) to (B, K, h, w), float32.
    """

    def __init__(self, model: Segmenter):
        super().__init__(auto_prefix=False)
        self.model = model

    def construct(self, images: Tensor) -> Tensor:
        """Return the logits; see the class."""
        return self.model(images)


class SegmentationLabels(FullPrecision):
    """A segmenter with the class of every pixel of its input.

    Shape:
        (B, C, H, W) to (B, H, W), int32.
    """

    def __init__(self, model: Segmenter):
        super().__init__(auto_prefix=False)
        self.model = model

    def construct(self, images: Tensor) -> Tensor:
        """Return the labels; see the class."""
        return self.model.labels(images)


class SlidingLogits(nn.Cell):
    """A segmenter that looks at an image by windows, see :func:`slide`.

    The windows are cut and joined on the host: the logits of a whole image may not fit a device.

    Shape:
        (B, C, H, W) to (B, K, H, W), float32.
    """

    def __init__(self, model: Segmenter, side: int, stride: int):
        super().__init__(auto_prefix=False)
        self.network = SegmentationLogits(model)
        self._side, self._stride = side, stride

    def __call__(self, images: Tensor) -> Tensor:  # not compiled, unlike the network inside
        """Return the logits; see the class."""
        side, stride = (self._side, self._side), (self._stride, self._stride)

        def run(part: np.ndarray) -> np.ndarray:
            return self.network(Tensor(np.ascontiguousarray(part))).asnumpy()

        whole = [slide(run, image[None], side, stride) for image in images.asnumpy()]
        return Tensor(np.concatenate(whole))


class EagerLogits(nn.Cell):
    """A segmenter for images of many shapes, run operator by operator (PyNative mode).

    In graph mode each shape would be compiled, which takes 10 s and 0.4 GB on a CPU for a small
    network, and be kept: ADE20K has a hundred shapes.

    Shape:
        (B, C, H, W) to (B, K, h, w), float32.
    """

    def __init__(self, model: Segmenter):
        super().__init__(auto_prefix=False)
        self.network = SegmentationLogits(model)

    def __call__(self, images: Tensor) -> Tensor:
        """Return the logits; see the class."""
        with execution_mode(ms.PYNATIVE_MODE):
            return self.network(images)


def logits_network(config: SegmentationConfig, model: Segmenter) -> nn.Cell:
    """Return the network that evaluates whole images, or windows of them.

    It is compiled if the images are padded or cut to few shapes.
    """
    if config.segmenter.windows is not None:
        return SlidingLogits(model, *config.segmenter.windows)
    return SegmentationLogits(model) if config.data.pad_divisor > 1 else EagerLogits(model)
