"""Detectors that predict at every anchor and then choose."""

from __future__ import annotations

from mindspore import Tensor

from acmix.models.detection.detector import Detector


class OneStageDetector(Detector):
    """A detector whose predictions at anchors are its detections.

    Letters: A anchors of all levels, N candidates, and those of :class:`Detector`.

    Attributes:
        strides: pixels of the image per location of each pyramid level.
        num_anchors: per location.
    """

    strides: tuple[int, ...]
    num_anchors: int

    def candidates(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the input of non-maximum suppression, see :meth:`PostProcess.candidates`."""
        raise NotImplementedError

    def decoded(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits (B, A, K) and boxes (B, A, 4), cut at the borders, of all anchors.

        This is where a network without top-k and non-maximum suppression ends;
        :class:`.HostPostProcess` goes on.
        """
        raise NotImplementedError

    def detect(self, images: Tensor, sizes: Tensor | None = None) -> tuple[Tensor, ...]:
        """Return boxes, scores and labels, see the base class.

        Boxes are cut at the padded images; whoever reads them cuts them at each image's own size.
        """
        boxes, scores, labels = self.candidates(images)
        _, _, height, width = images.shape
        return self.post_process.detections(boxes, scores, labels, self.num_classes, height, width)
