"""Colours are distorted as public segmenters are trained: rounded down to uint8 after each."""

from __future__ import annotations

import colorsys

import numpy as np
import pytest
from image_files import pattern

from acmix.data.photometric import distort, linear

PIXELS = pattern(12, 17)


class Drawn:
    """Generator that gives chosen numbers in the order in which they are drawn."""

    def __init__(self, chances, shift=0.0, gain=0.0, vividness=0.0, turn=0):
        self._chances = np.array(chances, float)
        self._uniform = [shift, gain, vividness]
        self._turn = turn
        self.ranges = []

    def random(self, count):
        assert count == len(self._chances)
        return 1 - self._chances

    def uniform(self, low, high):
        self.ranges.append((low, high))
        return self._uniform.pop(0)

    def integers(self, low, high):
        self.ranges.append((low, high))
        return self._turn


NONE = (0, 0, 0, 0, 0)


def test_the_ranges_are_the_published_ones():
    drawn = Drawn(NONE)
    np.testing.assert_array_equal(distort(PIXELS, 1.0, drawn), PIXELS)
    assert drawn.ranges == [(-32, 32), (-0.5, 0.5), (-0.5, 0.5), (-18, 18)]


@pytest.mark.parametrize(("gain", "shift"), [(1, 31.7), (1, -20.2), (1.37, 0), (0.5, 0)])
def test_brightness_and_contrast_are_linear_cut_and_rounded_down(gain, shift):
    whole = np.arange(256, dtype=np.uint8)
    expected = [int(min(max(gain * value + shift, 0), 255)) for value in range(256)]
    assert np.abs(linear(whole, gain, shift) - np.array(expected, int)).max() == 0


def test_contrast_stands_before_or_after():
    before = distort(PIXELS, 1.0, Drawn((1, 1, 1, 0, 0), shift=20.0, gain=0.4))
    np.testing.assert_array_equal(before, linear(linear(PIXELS, 1, 20.0), 1.4, 0))
    hue = {"gain": 0.4, "turn": 9}
    first = distort(PIXELS, 1.0, Drawn((0, 1, 1, 0, 1), **hue))
    last = distort(PIXELS, 1.0, Drawn((0, 1, 0, 0, 1), **hue))
    only_hue = distort(PIXELS, 1.0, Drawn((0, 0, 0, 0, 1), **hue))
    np.testing.assert_array_equal(last, linear(only_hue, 1.4, 0))
    assert (first != last).any()


def in_hsv(pixels, change):
    """Change hue, saturation and value, each 0 to 1, of each pixel."""
    rows = [
        colorsys.hsv_to_rgb(*change(*colorsys.rgb_to_hsv(*(pixel / 255))))
        for pixel in pixels.reshape(-1, 3)
    ]
    return 255 * np.reshape(rows, pixels.shape)


@pytest.mark.parametrize("turn", [-18, 17])
def test_hue_turns_by_two_degrees_each(turn):
    found = distort(PIXELS, 1.0, Drawn((0, 0, 0, 0, 1), turn=turn))
    expected = in_hsv(PIXELS, lambda h, s, v: ((h + turn / 180) % 1, s, v))
    assert np.abs(found - expected).max() < 6  # OpenCV's hue has steps of two degrees
    assert np.abs(found - expected).mean() < 1


def test_saturation_is_scaled():
    found = distort(PIXELS, 1.0, Drawn((0, 0, 0, 1, 0), vividness=-0.3))
    expected = in_hsv(PIXELS, lambda h, s, v: (h, 0.7 * s, v))
    assert np.abs(found - expected).max() < 6
    assert np.abs(found - expected).mean() < 1


def test_half_the_strength_halves_the_changes_and_grey_has_no_colour():
    all_on = (1, 1, 1, 1, 1)
    halved = distort(PIXELS, 0.5, Drawn(all_on, 20.0, 0.4, 0.2, 8))
    np.testing.assert_array_equal(halved, distort(PIXELS, 1.0, Drawn(all_on, 10.0, 0.2, 0.1, 4)))
    grey = PIXELS[..., 0]
    found = distort(grey, 1.0, Drawn(all_on, 20.0, 0.4, 0.2, 8))
    np.testing.assert_array_equal(found, linear(linear(grey, 1, 20.0), 1.4, 0))


def test_each_change_happens_half_of_the_time():
    rng = np.random.default_rng(0)
    flat = np.full((1, 1, 3), 100, np.uint8)  # grey: neither saturation nor hue show
    same = sum((distort(flat, 1.0, rng) == flat).all() for _ in range(400))
    assert 0.2 < same / 400 < 0.3
