"""Every registered model in a size that compiles in seconds, found through the registry.

Their last stages have so many heads that the convolution path is computed by maps, their first ones
so few that it is one convolution, as in the models themselves.

A family that is not listed here is tested in its full size: slow, but tested.
"""

from __future__ import annotations

import numpy as np
from mindspore import nn

from acmix.models.aa_resnet import AAResNet
from acmix.models.conformer import Conformer
from acmix.models.contnet import ContNet
from acmix.models.convit import ConViT
from acmix.models.cvt import CvT
from acmix.models.lrnet import LRNet
from acmix.models.pvt import PVT
from acmix.models.registry import list_models, model_entry
from acmix.models.resnet import ResNet
from acmix.models.san import SAN
from acmix.models.sasa_resnet import SASAResNet
from acmix.models.swin import Swin
from acmix.models.t2t import T2TViT
from acmix.utils.parameters import set_value

SMALL = {
    ResNet: {"width": 12, "depths": (1, 1, 1, 2)},
    AAResNet: {"width": 12, "depths": (1, 1, 1, 1), "num_heads": 2},
    SASAResNet: {"width": 4, "depths": (1, 2), "num_heads": 2},
    LRNet: {"depths": (1, 2), "widths": (8, 16), "stem_width": 8},
    ContNet: {"depths": (1, 2), "width": 8, "mlp_dims": (12, 12), "num_heads": (1, 2)},
    SAN: {"channels": (32, 64), "depths": (1, 1), "kernel_sizes": (3, 3)},
    PVT: {
        "depths": (1, 2),
        "embed_dims": (8, 24),
        "num_heads": (1, 12),
        "mlp_ratios": (2, 2),
        "sr_ratios": (4, 1),
        "image_size": 48,
    },
    Swin: {"embed_dim": 12, "depths": (2, 2), "num_heads": (2, 12), "window_size": 4},
    ConViT: {
        "embed_dim": 36,
        "depth": 3,
        "local_depth": 2,
        "num_heads": 9,
        "mlp_ratio": 2.0,
        "image_size": 48,
    },
    T2TViT: {
        "embed_dim": 36,
        "depth": 2,
        "num_heads": 9,
        "mlp_ratio": 2.0,
        "token_dim": 8,
        "image_size": 48,
    },
    CvT: {"depths": (1, 1, 2), "embed_dims": (8, 16, 24), "num_heads": (1, 2, 3)},
    Conformer: {
        "depths": (2, 1, 1, 1),
        "width": 16,
        "embed_dim": 36,
        "num_heads": 9,
        "mlp_ratio": 2.0,
    },
}

# The two stages of a ResNet are as wide as the last two of four: how the convolution path is
# computed depends on it.
SHALLOW = {
    ResNet: {"width": 48, "depths": (1, 2)},
    AAResNet: {"width": 24, "depths": (1, 1)},
    SASAResNet: {"depths": (1, 1)},
    LRNet: {"depths": (1, 1)},
    ContNet: {"depths": (1, 1)},
    Swin: {"depths": (2, 1)},
    ConViT: {"depth": 2, "local_depth": 1},
    Conformer: {"depths": (1, 1, 1, 1)},
}

WITHOUT_GRADIENT = {
    PVT: r"stages\.1\.blocks\.1\.attn\.(beta|conv_path\..+)",
    ConViT: r"stages\.0\.blocks\.1\.attn\.(beta|conv_path\..+)",
    T2TViT: r"stages\.0\.blocks\.1\.attn\.(beta|conv_path\..+)",
    CvT: r"stages\.2\.blocks\.1\.attn\.conv_proj_q\..+",
}
"""Parameters the classifier does not see: a class token is not convolved, and it alone is read."""


def arguments(name: str) -> dict:
    return SMALL.get(model_entry(name).cls, {})


def shallow(name: str) -> dict:
    """Return :func:`arguments` with no more blocks than there are kinds of them.

    For tests that compile, which takes a time proportional to the blocks. Of mixers that differ
    between the stages the last kinds are kept.
    """
    entry = model_entry(name)
    small = {**arguments(name), **SHALLOW.get(entry.cls, {})}
    mixer = entry.arguments.get("mixer")
    if isinstance(mixer, tuple):
        kinds = tuple(dict.fromkeys(mixer))
        stages = len(small["depths"])
        small["mixer"] = (mixer[:stages] + kinds)[-stages:]
    return small


def stages(arguments: dict) -> int:
    """Return the number of stages of a model, one if its arguments have no depths."""
    return len(arguments.get("depths", (1,)))


def show_all(network: nn.Cell) -> None:
    """Set gammas of BatchNorms to one: one that starts at zero hides what is before it."""
    for _, cell in network.cells_and_names():
        if isinstance(cell, nn.BatchNorm2d):
            set_value(cell.gamma, np.ones(cell.gamma.shape))


def distinct_models() -> list[str]:
    """One name for each architecture that is left when depth and width no longer differ."""
    chosen: dict[tuple, str] = {}
    for name in list_models():
        chosen.setdefault(_architecture(name), name)
    return sorted(chosen.values())


def representatives() -> list[str]:
    """The distinct models without the plain twins of those with ACmix, which hold all they do."""
    twins = {name.removeprefix("acmix_") for name in list_models("acmix_*")}
    plain = {_architecture(name) for name in twins & set(list_models())}
    return [name for name in distinct_models() if _architecture(name) not in plain]


def _architecture(name: str) -> tuple:
    entry = model_entry(name)
    return entry.cls, repr(sorted({**entry.arguments, **arguments(name)}.items()))
