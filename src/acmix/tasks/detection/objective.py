"""Object detection: losses and outputs of a detector."""

from __future__ import annotations

from collections.abc import Sequence

from mindspore import Tensor
from pycocotools.coco import COCO

from acmix.errors import check
from acmix.layers.full_precision import FullPrecision
from acmix.models.detection import Detector, OneStageDetector
from acmix.tasks.detection.metric import DetectionMetric


class DetectionObjective:
    """Training of a detector on the batches of :class:`.DetectionDataset`.

    Args:
        model: the detector.
        ground_truth: annotations of the validation split; None disables evaluation.
        image_ids: id in ``ground_truth`` of each image, by its position in the split.
        category_ids: id in ``ground_truth`` of each class; None for a class that it lacks.
    """

    monitor = "bbox_mAP"
    eval_inputs = 2

    def __init__(
        self,
        model: Detector,
        ground_truth: COCO | None = None,
        image_ids: Sequence[int] = (),
        category_ids: Sequence[int | None] = (),
    ):
        self.model = model
        self.loss_names: tuple[str, ...] = model.loss_names
        self.train_network = DetectionLoss(model)
        self.eval_network = DetectionInference(model)
        self._truth = (ground_truth, tuple(image_ids), tuple(category_ids))

    def metric(self) -> DetectionMetric:
        """Return an empty :class:`DetectionMetric`."""
        ground_truth, image_ids, category_ids = self._truth
        check(ground_truth is not None, "a detector is evaluated against a validation split.")
        return DetectionMetric(ground_truth, image_ids, category_ids, masks=self.model.has_masks)


class DetectionLoss(FullPrecision):
    """Losses of a detector; the first is their sum."""

    def __init__(self, model: Detector):
        super().__init__(auto_prefix=False)
        self.model = model

    def construct(
        self,
        images: Tensor,
        boxes: Tensor,
        labels: Tensor,
        sizes: Tensor,
        masks: Tensor | None = None,
    ) -> tuple[Tensor, ...]:
        """Return the losses of a batch, see :meth:`Detector.losses`."""
        return self.model.losses(images, boxes, labels, sizes, masks)


class DetectionInference(FullPrecision):
    """A detector with all post-processing.

    Shape:
        (B, C, H, W) to boxes (B, D, 4) in pixels of the input, scores (B, D) and labels (B, D), in
        descending order of score; label -1 marks padding. Some detectors add masks (B, D, S, S),
        the probability of each pixel of a box.
    """

    def __init__(self, model: Detector):
        super().__init__(auto_prefix=False)
        self.model = model

    def construct(self, images: Tensor, sizes: Tensor | None = None) -> tuple[Tensor, ...]:
        """Return the detections, see :meth:`Detector.detect`."""
        return self.model.detect(images, sizes)


class DecodedInference(FullPrecision):
    """A detector without top-k selection and non-maximum suppression, for a host to do.

    Shape:
        (B, C, H, W) to logits (B, A, K) and boxes (B, A, 4) of all anchors.
    """

    def __init__(self, model: OneStageDetector):
        super().__init__(auto_prefix=False)
        self.model = model

    def construct(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits and boxes; see the class."""
        return self.model.decoded(images)
