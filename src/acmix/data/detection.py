"""`DetectionDataset`: batches of images and boxes in one of a few image shapes each."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np
from PIL import Image
from pycocotools.coco import COCO

from acmix.config import DetectionDataConfig
from acmix.data.annotations import DetectionSamples, Record
from acmix.data.decode import decode
from acmix.data.detection_augment import View
from acmix.data.detection_preprocess import DetectionPreprocess, Shape
from acmix.data.detection_targets import targets
from acmix.data.pipeline import PADDING, Batch, MakeBatch, reading
from acmix.data.sharded import ShardedDataset
from acmix.errors import check

_logger = logging.getLogger(__name__)


class DetectionDataset(ShardedDataset):
    """Batches of one split for a detector.

    ``train``: ``(images float32 (B, C, H, W), boxes float32 (B, M, 4), labels int32 (B, M), sizes
    float32 (B, 2))`` with M = ``data.max_boxes``. Boxes are xyxy in pixels of ``images``; label -1
    marks padding, whose boxes are zeros. Crowds are left out. Sizes are height and width without
    padding. With ``data.masks`` also masks uint8 (B, M, S, S), see :func:`.crop_masks`.
    ``val``: ``(images, sizes, index int32 (B,), scale float32 (B, 2))``: the image's position in
    the split, -1 for padding, and network pixels per original pixel along x and y.

    All images of a step, over all shards, have the same shape (H, W), one of
    ``preprocess.shapes``. In ``train`` images are repeated to fill the last batch of a shape, so
    every image occurs in every epoch. In ``val`` that batch is padded, so every image occurs
    exactly once.

    Args:
        samples: samples of the split.
        config: the section ``data``.
        **sharding: further arguments of :class:`ShardedDataset`.

    Attributes:
        classes: class names in the order of the labels.
        category_ids: COCO id of each class; None for a class that the annotations lack.
        image_ids: COCO id of each image, by its position in the split.
        preprocess: evaluation transform.
    """

    train_columns: tuple[str, ...] = ("images", "boxes", "labels", "sizes")
    val_columns = ("images", "sizes", "index", "scale")

    def __init__(
        self, samples: DetectionSamples, config: DetectionDataConfig, **sharding: Any
    ) -> None:
        _check_not_empty(samples, config, sharding["training"])
        super().__init__(samples.names, config, keys=samples.keys, **sharding)
        self.classes = tuple(samples.categories.values())
        self.category_ids: tuple[int | None, ...] = tuple(samples.categories)
        self.image_ids = tuple(record.image_id for record in samples.records)
        self.preprocess = DetectionPreprocess.from_config(config)
        if config.masks:
            self.train_columns = (*self.train_columns, "masks")
        self._samples = samples
        self._config = config
        shapes = self.preprocess.shapes
        buckets = [self.preprocess.bucket(r.width, r.height) for r in samples.records]
        self._buckets = np.array([shapes.index(bucket) for bucket in buckets])
        if self._training:
            _warn_about_dropped_boxes(samples.records, config.max_boxes)

    def label_notes(self) -> dict[str, Any]:
        """Return the ids of the classes in COCO's files."""
        return {"category_ids": list(self.category_ids)}

    def __len__(self) -> int:
        step = self.batch_size * self._num_shards
        return sum(-(-count // step) for count in np.bincount(self._buckets).tolist())

    def _relabel(self, labels: np.ndarray) -> None:
        """Change which category a detection is of; the ground truth has its own ids."""
        ids = dict(zip(labels.tolist(), self.category_ids, strict=True))
        self.category_ids = tuple(ids.get(label) for label in range(len(self.classes)))

    def objects(self, index: int) -> Record:
        """Return the objects of an image, crowds among them, that have one of :attr:`classes`."""
        record = self._samples.records[index]
        ids = tuple(self._samples.categories)
        labels = {id: label for label, id in enumerate(self.category_ids) if id is not None}
        new = np.array([labels.get(ids[label], -1) for label in record.labels], np.int32)
        known = np.flatnonzero(new >= 0)
        return replace(record.select(known), labels=new[known])

    @cached_property
    def ground_truth(self) -> COCO:
        """Annotations of the split, including crowds."""
        return self._samples.ground_truth(self._config.masks)

    def __getstate__(self) -> dict[str, Any]:
        """Leave out the ground truth, which can be made again and is large."""
        state = super().__getstate__()
        state.pop("ground_truth", None)
        return state

    def _parts(self) -> dict[str, Iterable[object]]:
        return super()._parts() | {
            "classes": [*zip(self.category_ids, self.classes, strict=True)],
            "labels": (record.to_list() for record in self._samples.records),
            "preprocess": sorted(self.preprocess.to_dict().items()),
        }

    def _plan(self, k: int) -> tuple[np.ndarray, MakeBatch]:
        indices, buckets = self._order(k)
        load = self._training_image if self._training else self._evaluation_image

        def make_batch(row: np.ndarray, number: int) -> Batch:
            shape = self.preprocess.shapes[buckets[number]]
            samples = [load(int(index), shape, k) for index in row]
            return tuple(np.stack(column) for column in zip(*samples, strict=True))

        return indices[:, self._shard], make_batch

    def _order(self, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Distribute the samples of epoch ``k`` over its steps, for all shards.

        Returns:
            Sample indices (steps, images of all shards), and the bucket of each step (steps,).
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
                members = np.resize(members, len(members) + missing)  # repeats from the start
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
        record = self._samples.records[index]
        rng = self._generator(k, index)
        view = View.draw(self._config, record.width, record.height, rng)
        part = view.cut(self._decoded(index))
        image, scale = self.preprocess.transform(part, shape, view.short_side, view.flip)
        return image, *targets(record, view, _size(part, scale), self._config)

    def _evaluation_image(self, index: int, shape: Shape, k: int) -> Batch:
        position = np.array(index, np.int32)
        if index == PADDING:
            blank = np.zeros((self.preprocess.channels, *shape), np.float32)
            return blank, np.array(shape, np.float32), position, np.ones(2, np.float32)
        whole = self._decoded(index)
        image, scale = self.preprocess.transform(whole, shape)
        return image, np.array(_size(whole, scale), np.float32), position, scale

    def _decoded(self, index: int) -> Image.Image:
        name = self._samples.names[index]
        with reading(name):
            encoded = self._samples.read(index)
            image = decode(encoded, self.preprocess.channels, self._max_pixels)
        mismatch = self._samples.mismatch(index, image.size, encoded)
        check(
            mismatch is None,
            f"image {name} {mismatch}. Take the image that was annotated, or start again with "
            "data.on_corrupt=skip, which leaves it out.",
        )
        return image


def _size(image: Image.Image, scale: np.ndarray) -> tuple[int, int]:
    """Return height and width of an image that was resized by ``scale`` along x and y."""
    wide, high = np.rint(scale * np.array(image.size)).astype(int).tolist()
    return high, wide


def _check_not_empty(
    samples: DetectionSamples, config: DetectionDataConfig, training: bool
) -> None:
    """Refuse a split that can be neither trained on nor evaluated."""
    if training:
        check(
            len(samples) > 0,
            f"data.root={config.root}: there are no images to use. Training leaves out images "
            "without boxes unless data.empty_images=keep.",
        )
        return
    check(
        any(not record.is_empty for record in samples.records),
        f"data.root={config.root}: none of the {len(samples)} images of the validation split has "
        "an object, so there is nothing to evaluate. Name another with data.val_split.",
    )


def _warn_about_dropped_boxes(records: tuple[Record, ...], max_boxes: int) -> None:
    counts = [int((~record.crowd).sum()) for record in records]
    dropped = [count - max_boxes for count in counts if count > max_boxes]
    if dropped:
        _logger.warning(
            "%d images have more than data.max_boxes=%d boxes; %d boxes, the smallest, are left "
            "out.", len(dropped), max_boxes, sum(dropped),
        )  # fmt: skip
