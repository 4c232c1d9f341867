"""`DetectionDataset`: batches of images and boxes, each of one of a few shapes."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from functools import cached_property
from typing import Any

import numpy as np
from pycocotools.coco import COCO

from acmix.config import DetectionDataConfig
from acmix.data.annotations import DetectionSamples, Record
from acmix.data.decode import decode
from acmix.data.detection_preprocess import DetectionPreprocess, Shape
from acmix.data.pipeline import PADDING, Batch, reading, run_pipeline
from acmix.data.sharded import ShardedDataset
from acmix.errors import check

_logger = logging.getLogger(__name__)


class DetectionDataset(ShardedDataset):
    """Batches of one split for a detector.

    ``train``: ``(images float32 (B, C, H, W), boxes float32 (B, M, 4), labels int32 (B, M))``, M
    being ``data.max_boxes``; boxes are xyxy in pixels of ``images``, the label -1 marks padding,
    whose boxes are zeros. Crowds are left out.
    ``val``: ``(images, index int32 (B,), scale float32 (B, 2))``: the image's position in the
    split, -1 for padding, and network pixels per original pixel along x and y.

    The images of a batch have one shape (H, W), one of ``preprocess.shapes``, and so have the
    batches of one step over all shards. In ``train`` the last batch of a shape is filled up with
    images of that shape a second time, hence every image is in every epoch; in ``val`` it is padded
    and every image is there exactly once.

    Args:
        samples: of the split.
        config: the section ``data``.
        **share: what :class:`ShardedDataset` takes besides.

    Attributes:
        classes: class names in the order of the labels.
        category_ids: COCO's id of each class.
        image_ids: COCO's id of each image, by its position in the split.
        preprocess: the evaluation transform.
    """

    def __init__(
        self, samples: DetectionSamples, config: DetectionDataConfig, **share: Any
    ) -> None:
        check(
            len(samples) > 0,
            f"data.root={config.root}: there are no images to use. Training leaves out images "
            "without boxes unless data.empty_images=keep.",
        )
        super().__init__(samples.names, config, **share)
        self.classes = tuple(samples.categories.values())
        self.category_ids = tuple(samples.categories)
        self.image_ids = tuple(record.image_id for record in samples.records)
        self.preprocess = DetectionPreprocess.from_config(config)
        self._samples = samples
        self._config = config
        shapes = self.preprocess.shapes
        buckets = [self.preprocess.bucket(r.width, r.height) for r in samples.records]
        self._buckets = np.array([shapes.index(bucket) for bucket in buckets])
        if self._training:
            _warn_of_boxes_left_out(samples.records, config.max_boxes)

    def __len__(self) -> int:
        step = self.batch_size * self._num_shards
        return sum(-(-count // step) for count in np.bincount(self._buckets).tolist())

    @cached_property
    def ground_truth(self) -> COCO:
        """The annotations of the split, crowds included."""
        return self._samples.ground_truth()

    def epoch(self, k: int, skip_batches: int = 0) -> Iterator[Batch]:
        """Iterate over the batches of epoch ``k``.

        Args:
            k: epoch; it decides on order and augmentation of ``train`` and does not matter to
                ``val``.
            skip_batches: leave out so many batches at the beginning, at no cost.

        Raises:
            UserError: an image that cannot be decoded (``data.on_corrupt=unchecked``) or has
                another size than annotated, named.
        """
        indices, buckets = self._order(k)
        load = self._training_image if self._training else self._evaluation_image

        def make(row: np.ndarray, number: int) -> Batch:
            shape = self.preprocess.shapes[buckets[number]]
            samples = [load(int(index), shape, k) for index in row]
            return tuple(np.stack(column) for column in zip(*samples, strict=True))

        return run_pipeline(
            indices[skip_batches:, self._shard],
            skip_batches,
            make,
            ("images", "boxes", "labels") if self._training else ("images", "index", "scale"),
            self._config.num_workers,
        )

    def _order(self, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Deal the samples of epoch ``k`` to the steps, for all shards.

        Returns:
            (steps, images of all shards) sample indices, and (steps,) the bucket of each step.
        """
        order = np.arange(self.num_samples)
        if self._training:
            rng = np.random.default_rng((self._seed, k))
            order = rng.permutation(order)
        step = self.batch_size * self._num_shards
        rows, buckets = [], []
        for bucket in range(len(self.preprocess.shapes)):
            members = order[self._buckets[order] == bucket]
            missing = -len(members) % step
            if self._training:
                members = np.resize(members, len(members) + missing)  # begins anew at the end
            else:
                members = np.pad(members, (0, missing), constant_values=PADDING)
            rows.append(members.reshape(-1, step))
            buckets.append(np.full(len(rows[-1]), bucket))
        indices, bucket_of_step = np.concatenate(rows), np.concatenate(buckets)
        if self._training:
            shuffled = rng.permutation(len(indices))
            indices, bucket_of_step = indices[shuffled], bucket_of_step[shuffled]
        return indices, bucket_of_step

    def _training_image(self, index: int, shape: Shape, k: int) -> Batch:
        rng = np.random.default_rng((self._seed, k, index))
        short_side = int(rng.choice(self._config.short_side))
        flip = bool(rng.random() < self._config.hflip)
        image, scale = self._image(index, shape, short_side, flip)
        record = self._samples.records[index]
        boxes, labels = _targets(record, self._config.max_boxes)
        return image, _place(boxes, labels >= 0, scale, record.width if flip else None), labels

    def _evaluation_image(self, index: int, shape: Shape, k: int) -> Batch:
        position = np.array(index, np.int32)
        if index == PADDING:
            blank = np.zeros((self.preprocess.channels, *shape), np.float32)
            return blank, position, np.ones(2, np.float32)
        image, scale = self._image(index, shape)
        return image, position, scale

    def _image(
        self, index: int, shape: Shape, short_side: int | None = None, flip: bool = False
    ) -> tuple[np.ndarray, np.ndarray]:
        record, name = self._samples.records[index], self._samples.names[index]
        with reading(name):
            encoded = self._samples.read(index)
            image = decode(encoded, self.preprocess.channels, self._config.max_image_pixels)
        check(
            image.size == (record.width, record.height),
            f"image {name} has {image.width} x {image.height} pixels, upright as its EXIF data "
            f"says, but its annotations are for {record.width} x {record.height}. Take the image "
            "that was annotated, or leave it out of the annotations.",
        )
        return self.preprocess.transform(image, shape, short_side, flip)


def _chosen(record: Record, max_boxes: int) -> np.ndarray:
    """Return which boxes of an image are trained on: no crowds, of too many the largest."""
    own = np.flatnonzero(~record.crowd)
    if len(own) > max_boxes:
        own = np.sort(own[np.argsort(-record.areas[own], kind="stable")[:max_boxes]])
    return own


def _targets(record: Record, max_boxes: int) -> tuple[np.ndarray, np.ndarray]:
    """Return boxes (M, 4) and labels (M,) of an image, padded."""
    own = _chosen(record, max_boxes)
    boxes, labels = np.zeros((max_boxes, 4)), np.full(max_boxes, PADDING, np.int32)
    boxes[: len(own)], labels[: len(own)] = record.boxes[own], record.labels[own]
    return boxes, labels


def _warn_of_boxes_left_out(records: tuple[Record, ...], max_boxes: int) -> None:
    counts = [int((~record.crowd).sum()) for record in records]
    dropped = [count - max_boxes for count in counts if count > max_boxes]
    if dropped:
        _logger.warning(
            "%d images have more than data.max_boxes=%d boxes; %d boxes, the smallest, are left "
            "out.", len(dropped), max_boxes, sum(dropped),
        )  # fmt: skip


def _place(
    boxes: np.ndarray, valid: np.ndarray, scale: np.ndarray, mirrored_in: int | None
) -> np.ndarray:
    """Carry boxes from the original image into the network's, mirrored in its width if given."""
    if mirrored_in is not None:
        left, top, right, bottom = np.moveaxis(boxes, -1, 0)
        boxes = np.stack([mirrored_in - right, top, mirrored_in - left, bottom], axis=-1)
    return np.where(valid[:, None], boxes * np.tile(scale.astype(np.float64), 2), 0).astype(
        np.float32
    )
