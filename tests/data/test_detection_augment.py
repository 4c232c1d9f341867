"""Views of training images, and the boxes and masks they show."""

import numpy as np
import pytest
from PIL import Image

from acmix.config import DetectionDataConfig
from acmix.config.detection import CROP_MAXIMUM
from acmix.data import rle
from acmix.data.annotations import Record
from acmix.data.detection_augment import View
from acmix.data.detection_targets import targets, training_objects
from acmix.data.instance_masks import InstanceMasks
from acmix.data.sizes import keep_ratio
from acmix.errors import UserError

WIDTH, HEIGHT = 640, 427
CROPS = DetectionDataConfig(
    name="shapes", masks=True, mask_size=28, short_side=(480, 800), crop_probability=1.0
)


def draw(config, seed, width=WIDTH, height=HEIGHT):
    return View.draw(config, width, height, np.random.default_rng(seed))


def record(bitmaps, crowd=None):
    """Return a record of bitmaps (n, H, W) and the boxes around them."""
    count, height, width = bitmaps.shape
    masks = InstanceMasks(height, width, tuple(rle.encode(np.asfortranarray(b)) for b in bitmaps))
    crowd = np.zeros(count, bool) if crowd is None else np.array(crowd)
    labels = np.arange(count, dtype=np.int32)
    return Record("a.jpg", 1, width, height, masks.boxes(), labels, masks.areas(), crowd, masks)


def ellipses(rng, count=5):
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    shapes = []
    for _ in range(count):
        (a, b), (u, v) = rng.uniform(20, 120, 2), rng.uniform((0, 0), (WIDTH, HEIGHT))
        shapes.append(((x - u) / a) ** 2 + ((y - v) / b) ** 2 < 1)
    return np.stack(shapes).astype(np.uint8)


# --- which part -----------------------------------------------------------------------------------


def test_without_crops_the_whole_image_is_shown():
    config = DetectionDataConfig(name="shapes", short_side=(64, 96), hflip=0.5)
    views = [draw(config, seed) for seed in range(40)]
    assert {(v.left, v.top, v.width, v.height) for v in views} == {(0, 0, WIDTH, HEIGHT)}
    assert {v.short_side for v in views} == {64, 96}
    assert {v.flip for v in views} == {True, False}
    assert draw(config, 7) == draw(config, 7)


def test_parts_have_the_sides_that_the_resized_image_allows():
    """A side is drawn from 384 to 600 pixels of an image of a short side of 400, 500 or 600."""
    shares = []
    for seed in range(300):
        view = draw(CROPS, seed)
        assert 0 <= view.left <= WIDTH - view.width
        assert 0 <= view.top <= HEIGHT - view.height
        shares.append((view.width / WIDTH, view.height / HEIGHT))
    wide, high = keep_ratio(WIDTH, HEIGHT, 600, 1333)
    shares = np.array(shares)
    assert shares.min(0) == pytest.approx([384 / wide, 384 / high], abs=0.02)
    assert shares[:, 1].max() == 1
    assert shares[:, 0].max() == pytest.approx(1.0, abs=0.02)


def test_images_smaller_than_the_least_part_are_shown_whole():
    config = DetectionDataConfig(name="shapes", crop_probability=1.0, crop_short_side=(300,))
    view = draw(config, 0, width=400, height=400)
    assert (view.left, view.top, view.width, view.height) == (0, 0, 400, 400)


def test_the_probability_of_a_part_is_that_of_the_configuration():
    config = DetectionDataConfig(name="shapes", crop_probability=0.5)
    parts = sum(draw(config, seed).width < WIDTH for seed in range(400))
    assert 140 < parts < 260


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"crop_sides": (600, 384)}, "data.crop_sides=\\[600, 384\\]: the minimum exceeds"),
        ({"crop_short_side": ()}, "data.crop_short_side must name at least one side"),
    ],
)
def test_impossible_parts_are_refused(changes, message):
    with pytest.raises(UserError, match=message):
        DetectionDataConfig(name="shapes", **changes).validate()


# --- what it shows --------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(6))
def test_boxes_and_masks_are_where_the_pixels_are(rng, seed):
    """The image itself is one of the masks, so it says where the mask must lie."""
    bitmaps = ellipses(rng)
    view = draw(CROPS, seed)
    one = record(bitmaps)
    size = keep_ratio(view.width, view.height, 300, 600)[::-1]
    boxes, labels, shown_size, masks = targets(one, view, size, CROPS)
    assert tuple(shown_size) == size
    for box, label, mask in zip(boxes, labels, masks, strict=True):
        if label < 0:
            assert not box.any()
            assert not mask.any()
            continue
        picture = view.cut(Image.fromarray(bitmaps[label] * 255))
        picture = picture.resize(size[::-1], Image.Resampling.BILINEAR)
        pixels = np.array(picture)[:, :: -1 if view.flip else 1] > 127
        rows, columns = np.flatnonzero(pixels.any(1)), np.flatnonzero(pixels.any(0))
        found = np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1])
        outside = np.array([1, 1, -1, -1]) * (box - found)
        assert outside.max() <= 1.5
        if (one.boxes[label] == view.boxes(one.boxes[label]) + [view.left, view.top] * 2).all():
            assert outside.min() >= -1.5  # of what is cut, the box of the whole is cut, too
        x1, y1, x2, y2 = np.rint(box).astype(int)
        covered = pixels[y1:y2, x1:x2].mean()
        around = (x2 - x1) * (y2 - y1) / ((x2 - x1 + 2) * (y2 - y1 + 2))
        assert mask.mean() / CROP_MAXIMUM == pytest.approx(covered * around, abs=0.05)


def test_objects_of_which_a_part_shows_nothing_are_left_out():
    bitmaps = np.zeros((4, 100, 100), np.uint8)
    bitmaps[0, 25:35, 25:35] = 1
    bitmaps[1, :10, :60] = bitmaps[1, :60, :10] = 1  # its box reaches into the part, it does not
    bitmaps[2, 60:70, 60:70] = 1
    bitmaps[3, 30:40, 30:40] = 1
    one = record(bitmaps, crowd=[False, False, False, True])
    view = View(20, 20, 30, 30, 30, flip=False)
    np.testing.assert_array_equal(view.visible(one.boxes, one.masks), [0, 3])
    np.testing.assert_array_equal(view.visible(one.boxes, None), [0, 1, 3])
    np.testing.assert_array_equal(training_objects(one, view, 10), [0])


def test_boxes_of_rounding_errors_are_left_out():
    view = View(20, 20, 30, 30, 30, flip=False)
    boxes = np.array([[25, 25, 25 + 1e-13, 35], [10, 10, 20 + 1e-13, 30], [50.0, 20, 60, 50]])
    assert len(view.visible(boxes, None)) == 0


def test_the_largest_objects_stay(rng):
    one = record(ellipses(rng, 6))
    view = View(0, 0, WIDTH, HEIGHT, 100, flip=False)
    kept = training_objects(one, view, 3)
    np.testing.assert_array_equal(kept, np.sort(np.argsort(-one.areas)[:3]))


def test_a_view_without_objects_has_padding_alone():
    bitmaps = np.zeros((1, 100, 100), np.uint8)
    bitmaps[0, :5, :5] = 1
    view = View(50, 50, 30, 30, 30, flip=True)
    boxes, labels, _, masks = targets(record(bitmaps), view, (30, 30), CROPS)
    assert (labels == -1).all()
    assert not boxes.any()
    assert not masks.any()
