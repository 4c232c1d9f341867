"""Masks through flips, resizing and crops: as OpenCV changes bitmaps, and together with boxes."""

import cv2
import numpy as np
import pytest
from pycocotools import mask as coco_mask

from acmix.data import rle
from acmix.data.instance_masks import InstanceMasks, PixelMap

HEIGHT, WIDTH = 60, 80


def blobs(count=4, height=HEIGHT, width=WIDTH, seed=0):
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=(count, height, width)).astype(np.float32)
    return np.stack([(cv2.GaussianBlur(one, (0, 0), 6) > 0.05).astype(np.uint8) for one in noise])


def compressed(bitmaps):
    return InstanceMasks(*bitmaps.shape[1:], tuple(rle.encode(one) for one in bitmaps))


def rectangle(x1, y1, x2, y2, height=HEIGHT, width=WIDTH):
    mask = np.zeros((height, width), np.uint8)
    mask[y1:y2, x1:x2] = 1
    return mask


def test_masks_return_as_they_were_one_at_a_time():
    bitmaps = blobs()
    masks = compressed(bitmaps)
    assert len(masks) == 4
    np.testing.assert_array_equal(np.stack(list(masks)), bitmaps)
    np.testing.assert_array_equal(masks[2], bitmaps[2])
    np.testing.assert_array_equal(masks.select([3, 1])[0], bitmaps[3])
    np.testing.assert_array_equal(masks.areas(), bitmaps.sum((1, 2)))


def test_boxes_enclose_the_masks():
    masks = compressed(
        np.stack([rectangle(3, 5, 20, 9), rectangle(0, 0, 80, 60), rectangle(0, 0, 0, 0)])
    )
    np.testing.assert_array_equal(masks.boxes(), [[3, 5, 20, 9], [0, 0, 80, 60], [0, 0, 0, 0]])


def test_an_image_without_objects_has_no_masks():
    none = InstanceMasks(HEIGHT, WIDTH, ())
    assert none.boxes().shape == (0, 4)
    assert none.areas().shape == (0,)
    assert len(none.transform(PixelMap.identity(HEIGHT, WIDTH).resize(7, 9))) == 0


def test_hundreds_of_objects_take_little_memory():
    masks = compressed(np.stack([rectangle(i, 2, i + 9, 40, 600, 800) for i in range(300)]))
    assert sum(map(len, masks.counts)) < 300 * 200


@pytest.mark.parametrize("size", [(60, 80), (30, 40), (83, 111), (17, 200), (1, 1), (601, 7)])
def test_resizing_is_opencv_s_nearest(size):
    pixels = PixelMap.identity(HEIGHT, WIDTH).resize(*size)
    for mask in blobs():
        theirs = cv2.resize(mask, size[::-1], interpolation=cv2.INTER_NEAREST)
        np.testing.assert_array_equal(pixels(mask), theirs)


def test_resizing_is_opencv_s_nearest_for_any_factor():
    rng = np.random.default_rng(0)
    for old, new in rng.integers(1, 1400, (300, 2)).tolist():
        line = np.arange(old, dtype=np.float32)[None]
        theirs = cv2.resize(line, (new, 1), interpolation=cv2.INTER_NEAREST)
        np.testing.assert_array_equal(PixelMap.identity(1, old).resize(1, new)(line), theirs)


def test_a_chain_of_changes_equals_one_after_the_other():
    # The order of Swin's recipe: mirror, resize, crop, resize again.
    pixels = PixelMap.identity(HEIGHT, WIDTH).flip().resize(83, 111).crop(10, 21, 50, 64)
    pixels = pixels.resize(97, 124)
    assert pixels.size == (97, 124)
    for mask in blobs():
        step = cv2.resize(mask[:, ::-1].copy(), (111, 83), interpolation=cv2.INTER_NEAREST)
        step = np.ascontiguousarray(step[10:60, 21:85])
        step = cv2.resize(step, (124, 97), interpolation=cv2.INTER_NEAREST)
        np.testing.assert_array_equal(pixels(mask), step)


def test_masks_move_with_their_boxes():
    box = np.array([12, 8, 40, 32])
    masks = compressed(rectangle(*box)[None])
    start = PixelMap.identity(HEIGHT, WIDTH)
    x1, y1, x2, y2 = box
    mirrored = masks.transform(start.flip())
    np.testing.assert_array_equal(mirrored.boxes(), [[WIDTH - x2, y1, WIDTH - x1, y2]])
    np.testing.assert_array_equal(masks.transform(start.resize(120, 160)).boxes(), [2 * box])
    np.testing.assert_array_equal(masks.transform(start.resize(30, 40)).boxes(), [box / 2])
    cropped = masks.transform(start.crop(10, 20, 15, 30))
    np.testing.assert_array_equal(cropped.boxes(), [[0, 0, 20, 15]])
    assert (cropped.height, cropped.width) == (15, 30)


def test_a_resized_mask_lies_within_a_pixel_of_its_resized_box():
    rng = np.random.default_rng(3)
    for height, width in rng.integers(20, 200, (40, 2)).tolist():
        box = np.array([12, 8, 40, 32])
        scaled = box * np.array([width / WIDTH, height / HEIGHT] * 2)
        pixels = PixelMap.identity(HEIGHT, WIDTH).resize(height, width)
        found = compressed(rectangle(*box)[None]).transform(pixels).boxes()[0]
        assert np.abs(found - scaled).max() < 1


def test_a_crop_across_the_border_keeps_what_lies_inside():
    pixels = PixelMap.identity(HEIGHT, WIDTH).crop(50, 70, 100, 100)
    assert pixels.size == (10, 10)
    np.testing.assert_array_equal(pixels(blobs()[0]), blobs()[0][50:, 70:])


def test_resizing_to_few_pixels_may_lose_a_thin_object():
    masks = compressed(rectangle(33, 20, 34, 40)[None])
    small = masks.transform(PixelMap.identity(HEIGHT, WIDTH).resize(6, 8))
    assert small.areas() == [0]


def test_areas_and_boxes_are_pycocotools_s():
    bitmaps = blobs(6, seed=5)
    masks = compressed(bitmaps)
    theirs = [coco_mask.encode(np.asfortranarray(one)) for one in bitmaps]
    np.testing.assert_array_equal(masks.areas(), coco_mask.area(theirs))
    x, y, width, height = coco_mask.toBbox(theirs).T
    np.testing.assert_array_equal(masks.boxes(), np.stack([x, y, x + width, y + height], 1))
