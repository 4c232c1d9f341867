"""ACmix on MindSpore: self-attention and convolution on one projection (CVPR 2022)."""

from acmix.layers.acmix import ACmix
from acmix.version import __version__

__all__ = ["ACmix", "__version__"]
