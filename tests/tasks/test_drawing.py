"""Labels can be read: inside of the picture, clear of each other, and of high contrast."""

from __future__ import annotations

import colorsys

import numpy as np
import pytest
from PIL import Image

from acmix.tasks.detection.prediction import Detected
from acmix.tasks.drawing import caption, class_colour, draw_objects, text_colour
from acmix.tasks.label_places import place_labels

GREY = (128, 128, 128)


def rectangles(corners, sizes):
    return [(x, y, x + w, y + h) for (x, y), (w, h) in zip(corners, sizes, strict=True)]


def shared(a, b):
    """Return the pixels that two rectangles share."""
    wide = min(a[2], b[2]) - max(a[0], b[0])
    high = min(a[3], b[3]) - max(a[1], b[1])
    return max(wide, 0) * max(high, 0)


@pytest.mark.parametrize("seed", range(5))
def test_labels_are_inside_and_clear_of_each_other_where_there_is_room(seed):
    rng = np.random.default_rng(seed)
    corners = rng.uniform(0, [620, 460], (40, 2))
    boxes = np.concatenate([corners, np.minimum(corners + rng.uniform(5, 300), [640, 480])], 1)
    boxes[:8] = boxes[0]  # crowded
    sizes = [(int(rng.integers(30, 120)), 17) for _ in boxes]
    placed = rectangles(place_labels(boxes, sizes, (640, 480)), sizes)
    assert all(x0 >= 0 and y0 >= 0 and x1 <= 640 and y1 <= 480 for x0, y0, x1, y1 in placed)
    assert sum(shared(a, b) for i, a in enumerate(placed) for b in placed[:i]) == 0


def test_the_first_label_stands_above_its_box_and_others_beside_theirs():
    boxes = np.array([[50.0, 60, 150, 160]] * 5)
    corners = place_labels(boxes, [(40, 10)] * 5, (300, 300))
    assert corners == [(50, 50), (50, 60), (50, 160), (50, 150), (110, 50)]


def test_labels_of_boxes_at_the_border_are_moved_inside():
    boxes = np.array([[0.0, 0, 20, 20], [290, 0, 300, 9], [0, 290, 9, 300], [290, 290, 300, 300]])
    corners = place_labels(boxes, [(40, 10)] * 4, (300, 300))
    assert corners == [(0, 0), (260, 0), (0, 280), (260, 280)]


def test_without_room_a_label_covers_as_little_as_it_can():
    corners = place_labels(np.array([[0.0, 0, 20, 20]] * 3), [(20, 10)] * 3, (20, 20))
    assert corners == [(0, 0), (0, 10), (0, 0)]
    assert place_labels(np.zeros((1, 4)), [(90, 30)], (20, 10)) == [(0, 0)]


def test_text_is_black_or_white_by_contrast():
    def contrast(a, b):  # WCAG 2.2, from the definition
        def luminance(colour):
            parts = [c / 255 for c in colour]
            linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
            return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

        dark, light = sorted((luminance(a), luminance(b)))
        return (light + 0.05) / (dark + 0.05)

    for label in range(50):
        colour = class_colour(label)
        chosen = text_colour(colour)
        other = tuple(255 - part for part in chosen)
        assert chosen in ((0, 0, 0), (255, 255, 255))
        assert contrast(colour, chosen) >= contrast(colour, other)
        assert contrast(colour, chosen) > 4.5  # level AA


def blank(width, height):
    return Image.new("RGB", (width, height), GREY)


def has(pixels, colour):
    return (pixels == colour).all(-1)


def test_all_edges_of_a_box_that_fills_the_image_are_seen():
    pixels = np.asarray(draw_objects(blank(640, 480), np.array([[0.0, 0, 640, 480]]), ["x"], [3]))
    for edge in (pixels[100:, 0], pixels[100:, -1], pixels[-1], pixels[0, 100:]):
        assert has(edge, class_colour(3)).all()


def test_small_images_are_enlarged_by_a_whole_factor():
    rng = np.random.default_rng(0)
    small = Image.fromarray(rng.integers(0, 256, (28, 30, 3), dtype=np.uint8))
    pixels = np.asarray(caption(small, "eight 99 %"))
    assert pixels.shape == (11 * 28, 11 * 30, 3)
    np.testing.assert_array_equal(pixels[5::11, 5::11][4:], np.asarray(small)[4:])
    assert caption(blank(320, 20), "x").size == (320, 20)


@pytest.mark.parametrize(("width", "height"), [(400, 300), (1600, 1200), (4000, 500)])
def test_letters_and_lines_grow_with_the_area(width, height):
    boxes = np.array([[width / 4, height / 2, width / 2, height - 10.0]])
    pixels = np.asarray(draw_objects(blank(width, height), boxes, ["cat"], [0]))
    column = has(pixels[:, width // 2 - 20], class_colour(0))
    line = column[height - 30 :].sum()
    label = has(pixels[:, width // 4], class_colour(0))[: height // 2].sum()
    side = (width * height) ** 0.5
    assert line == pytest.approx(side / 250, abs=0.6)
    assert label == pytest.approx(1.17 * max(12, side / 35), abs=2)


@pytest.mark.parametrize("text", ["cat 53 %", "蚂蚁 53 %", "a\x1b[2J\nb\udce9", "", "x" * 100_000])
def test_any_name_is_drawn_inside_of_the_picture(text):
    for size in ((60, 40), (700, 500), (10, 400)):
        labelled = caption(blank(*size), text)
        assert labelled.size[0] % size[0] == 0
        pixels = np.asarray(draw_objects(blank(*size), np.array([[1.0, 5, 9, 30]]), [text], [3]))
        assert has(pixels, class_colour(3)).any()


def test_a_long_label_keeps_its_end():
    long = np.asarray(caption(blank(400, 300), "x" * 95 + " 53 %"))
    dark = has(long, (0, 0, 0))
    assert not dark[:, -1].all()
    assert dark[5, 300:390].any()  # it reaches far to the right, and ends before the border


def test_masks_of_neighbours_have_colours_of_their_own_and_the_best_is_on_top():
    boxes = np.array([[0.0, 0, 300, 400], [200, 0, 600, 400]])
    found = Detected(
        "none", boxes, np.ones(2), np.array([1, 1]), ("cat", "cat"), (600, 400),
        np.ones((2, 28, 28), np.float32), boxes,
    )  # fmt: skip
    pixels = np.asarray(found.picture(blank(600, 400)), int)
    first, both, second = pixels[200, [100, 250, 500]]
    for value, colour in ((first, 0), (both, 0), (second, 1)):
        mixed = 0.45 * 128 + 0.55 * np.array(class_colour(colour))
        np.testing.assert_allclose(value, mixed, atol=1)


def test_colours_of_the_first_classes_are_far_apart():
    hues = sorted(colorsys.rgb_to_hsv(*class_colour(label))[0] for label in range(8))
    assert min(np.diff([*hues, hues[0] + 1])) > 0.05


def detected(scores):
    count = len(scores)
    boxes = np.tile([1.0, 2, 3, 4], (count, 1)) + np.arange(count)[:, None]
    names = tuple(f"c{i}" for i in range(count))
    masks = np.ones((count, 2, 2), np.float32) * np.arange(count)[:, None, None]
    return Detected("x.png", boxes, np.array(scores), np.arange(count), names, (9, 9), masks, boxes)


def test_objects_of_a_lower_score_are_left_out_and_counted():
    shown = detected([0.9, 0.3, 0.29, 0.1]).above(0.3)
    assert shown.classes == ("c0", "c1")
    assert len(shown.masks) == len(shown.mask_boxes) == len(shown.boxes) == len(shown.labels) == 2
    assert shown.lines() == [
        " 90.00 %  c0  1.0 2.0 3.0 4.0",
        " 30.00 %  c1  2.0 3.0 4.0 5.0",
        "2 of lower scores not shown",
    ]
    assert shown.above(0.5).lines()[1:] == ["3 of lower scores not shown"]
    assert shown.above(1).lines() == ["nothing found", "4 of lower scores not shown"]
    assert detected([]).above(0.3).lines() == ["nothing found"]
    assert shown.rows() == [("c0", 0.9, 1.0, 2.0, 3.0, 4.0), ("c1", 0.3, 2.0, 3.0, 4.0, 5.0)]
    assert len(shown.columns) == len(shown.rows()[0])
