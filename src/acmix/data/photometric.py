"""Random changes of brightness, contrast, saturation and hue, as segmenters are trained with."""

from __future__ import annotations

import cv2
import numpy as np

_BRIGHTNESS = 32.0
_CONTRAST = _SATURATION = 0.5
_HUE = 18
_HUES = 180  # OpenCV keeps hue in steps of two degrees


def distort(pixels: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """Distort the colours of an image, each in turn with probability 1/2.

    Brightness; contrast; saturation; hue; contrast stands before saturation or after hue. Pixels
    are rounded down to uint8 after each (mmseg's PhotoMetricDistortion).

    Args:
        pixels: (H, W, 3) uint8, RGB; or (H, W), grey, which has neither saturation nor hue.
        strength: factor on the ranges: brightness + -32..32, contrast and saturation x 0.5..1.5,
            hue + -18..17 of 180.
        rng: generator; the number of draws does not depend on their values.
    """
    brightness, contrast, contrast_first, saturation, hue = rng.random(5) < 0.5
    shift = rng.uniform(-_BRIGHTNESS, _BRIGHTNESS) * strength
    gain = 1 + rng.uniform(-_CONTRAST, _CONTRAST) * strength
    vividness = 1 + rng.uniform(-_SATURATION, _SATURATION) * strength
    turn = int(rng.integers(-_HUE, _HUE) * strength)
    if brightness:
        pixels = linear(pixels, 1, shift)
    if contrast and contrast_first:
        pixels = linear(pixels, gain, 0)
    if saturation and pixels.ndim == 3:
        pixels = _recolour(pixels, 1, linear_table(vividness, 0))
    if hue and pixels.ndim == 3:
        pixels = _recolour(pixels, 0, ((np.arange(256) + turn) % _HUES).astype(np.uint8))
    if contrast and not contrast_first:
        pixels = linear(pixels, gain, 0)
    return pixels


def linear(pixels: np.ndarray, gain: float, shift: float) -> np.ndarray:
    """Return ``gain * pixels + shift``, cut to 0..255 and rounded down to uint8."""
    return linear_table(gain, shift)[pixels]


def linear_table(gain: float, shift: float) -> np.ndarray:
    """Return :func:`linear` of each value: (256,) uint8."""
    values = np.arange(256, dtype=np.float32) * np.float32(gain) + np.float32(shift)
    return np.clip(values, 0, 255).astype(np.uint8)


def _recolour(pixels: np.ndarray, channel: int, table: np.ndarray) -> np.ndarray:
    """Look up hue (0) or saturation (1) of an RGB image in ``table``."""
    hsv = cv2.cvtColor(pixels, cv2.COLOR_RGB2HSV)
    hsv[..., channel] = table[hsv[..., channel]]
    return cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)
