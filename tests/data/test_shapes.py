"""The drawn data set: reproducible, tight boxes, masks that agree, partial overlap."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from acmix.data.decode import decode
from acmix.data.shapes import shapes


@pytest.fixture(scope="module")
def val():
    return shapes("val")


@pytest.fixture(scope="module")
def truth(val):
    return val.ground_truth()


def masks(truth, image_id):
    found = truth.loadAnns(truth.getAnnIds(imgIds=[image_id]))
    return found, [truth.annToMask(one).astype(bool) for one in found]


def test_sizes_counts_and_classes(val):
    assert (len(val), len(shapes("train"))) == (128, 512)
    assert tuple(val.categories.values()) == ("circle", "rectangle", "triangle")
    sizes = {(record.width, record.height) for record in val.records}
    assert len(sizes) > 100
    assert all(96 <= side <= 160 for size in sizes for side in size)
    counts = np.bincount(np.concatenate([record.labels for record in val.records]))
    assert len(counts) == 3
    assert min(counts) > 60
    assert {len(record.boxes) for record in val.records} == {1, 2, 3, 4, 5}


def test_images_have_the_annotated_size(val):
    for index in range(20):
        record = val.records[index]
        assert decode(val.read(index), 3).size == (record.width, record.height)


def test_the_same_seed_gives_the_same_images_and_another_one_others(val):
    again, other = shapes("val"), shapes("val", seed=1)
    assert [val.read(i) for i in range(9, -1, -1)] == [again.read(i) for i in range(9, -1, -1)]
    assert all(val.read(i) != other.read(i) for i in range(10))
    assert val.tree() == again.tree()


def test_splits_share_no_image(val):
    train = shapes("train")
    assert {train.read(i) for i in range(512)}.isdisjoint(val.read(i) for i in range(128))


def test_boxes_are_tight_around_the_visible_masks(val, truth):
    for record in val.records:
        found, visible = masks(truth, record.image_id)
        for box, one, mask in zip(record.boxes, found, visible, strict=True):
            rows, columns = np.nonzero(mask.any(1))[0], np.nonzero(mask.any(0))[0]
            assert box.tolist() == [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]
            assert one["area"] == mask.sum()


def test_masks_do_not_share_pixels_though_boxes_overlap(val, truth):
    overlapping = 0
    for record in val.records:
        _, visible = masks(truth, record.image_id)
        assert np.sum(visible, axis=0).max() == 1
        corners = np.zeros((record.height, record.width), int)
        for left, top, right, bottom in record.boxes.astype(int):
            corners[top:bottom, left:right] += 1
        overlapping += corners.max() > 1
    assert overlapping > 30


def test_masks_lie_on_the_shapes_that_are_drawn(val, truth):
    """A shape has a colour of its own: the pixels of its mask vary little around it."""
    for index in range(20):
        pixels = np.asarray(Image.open(io.BytesIO(val.read(index)))).astype(float)
        _, visible = masks(truth, val.records[index].image_id)
        for mask in visible:
            assert pixels[mask].std(axis=0).max() < 20
            ring = np.pad(mask, 3)
            ring = np.any([np.roll(ring, shift, axis) for shift in (-3, 3) for axis in (0, 1)], 0)
            ring = ring[3:-3, 3:-3] & ~mask
            # Outside the colour is another one: the mask ends where the shape does.
            assert np.abs(pixels[ring] - pixels[mask].mean(0)).max(axis=1).mean() > 30


def test_shapes_fill_their_boxes_as_their_class_says(val, truth):
    """Area of a whole disc by its box is pi / 4; of a triangle at most 1/2."""
    shares: dict[int, list[float]] = {0: [], 2: []}
    for record in val.records:
        if len(record.boxes) == 1 and record.labels[0] in shares:
            left, top, right, bottom = record.boxes[0]
            inside = 0 < left < right < record.width and 0 < top < bottom < record.height
            if inside:
                share = record.areas[0] / ((right - left) * (bottom - top))
                shares[int(record.labels[0])].append(share)
    assert min(map(len, shares.values())) > 2
    np.testing.assert_allclose(shares[0], np.pi / 4, atol=0.04)
    assert max(shares[2]) < 0.56
