"""The synthetic shapes with a label for each pixel; no file and no download."""

from __future__ import annotations

import io
from functools import lru_cache, partial

from PIL import Image

from acmix.config import SegmentationDataConfig
from acmix.data.class_list import ClassList, colour_map
from acmix.data.samples import Split
from acmix.data.segmentation_samples import SegmentationSamples
from acmix.data.shapes import CLASSES, NUM_IMAGES, STREAMS, Scene, encoded_scene


def label_shapes(
    config: SegmentationDataConfig, split: Split, seed: int = 0
) -> SegmentationSamples:
    """Return one split of the shapes of :func:`acmix.data.shapes.shapes` as label maps.

    Args:
        config: its ``reduce_zero_label`` ignores the background, class 0 of 4 otherwise.
        split: ``train`` or ``val``.
        seed: seed of the data set, as for the detection of the shapes.
    """
    count, stream = NUM_IMAGES[split], STREAMS[split]
    names = ("background", *CLASSES)
    first = int(config.reduce_zero_label or False)
    keys = tuple(f"shapes {split} {index}" for index in range(count))
    label_keys = tuple(f"labels of {key}" for key in keys)
    return SegmentationSamples(
        classes=ClassList(
            names=names[first:],
            values=tuple(range(first, len(names))),
            palette=((0, 0, 0), *colour_map(len(CLASSES)))[first:],
            reduce_zero_label=bool(first),
        ),
        names=keys,
        label_names=label_keys,
        keys=keys,
        label_keys=label_keys,
        read=partial(encoded_scene, seed, stream),
        read_labels=partial(_encoded_labels, seed, stream),
    )


@lru_cache(sum(NUM_IMAGES.values()))
def _encoded_labels(seed: int, stream: int, index: int) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(Scene(seed, stream, index).label_map).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()
