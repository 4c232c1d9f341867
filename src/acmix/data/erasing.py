"""Random erasing (Zhong et al., arXiv:1708.04896), the variant that fills with noise."""

from __future__ import annotations

import math

import numpy as np

AREA = (0.02, 1 / 3)
"""Range of the erased area as a fraction of the image."""
ASPECT = (0.3, 1 / 0.3)
"""Range of the aspect ratio (height / width) of the erased rectangle."""
_ATTEMPTS = 10


def erase(image: np.ndarray, rng: np.random.Generator) -> None:
    """Replace a random rectangle of a normalised image by standard normal noise, in place.

    The area is uniform in :data:`AREA`, the log aspect ratio in :data:`ASPECT`. Nothing is erased
    if no attempt yields a rectangle smaller than the image.

    Args:
        image: (C, H, W), with zero mean and unit variance like the noise.
        rng: random generator.
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
