"""Random erasing (Zhong et al., arXiv:1708.04896) in the variant that fills in noise."""

from __future__ import annotations

import math

import numpy as np

AREA = (0.02, 1 / 3)
"""Share of the image that is erased."""
ASPECT = (0.3, 1 / 0.3)
"""Height to width of the erased rectangle."""
_ATTEMPTS = 10


def erase(image: np.ndarray, rng: np.random.Generator) -> None:
    """Replace a random rectangle of a normalised image by standard normal noise, in place.

    The area is uniform in :data:`AREA`, the logarithm of the aspect in :data:`ASPECT`. Where no
    such rectangle smaller than the image is found, nothing is erased.

    Args:
        image: (C, H, W), of zero mean and unit variance as the noise.
        rng: what to draw from.
    """
    channels, height, width = image.shape
    for _ in range(_ATTEMPTS):
        area = height * width * rng.uniform(*AREA)
        aspect = math.exp(rng.uniform(math.log(ASPECT[0]), math.log(ASPECT[1])))
        rows, columns = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
        if rows < height and columns < width:
            top = rng.integers(height - rows + 1)
            left = rng.integers(width - columns + 1)
            noise = rng.standard_normal((channels, rows, columns), np.float32)
            image[:, top : top + rows, left : left + columns] = noise
            return
