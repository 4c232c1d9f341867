"""Numbers of the paper, as printed.

Pan et al., "On the Integration of Self-Attention and Convolution", CVPR 2022: the table of
ImageNet results, Conv-Swin-T of Tab. 6, and the networks of Tab. 2 to 5. Each entry has the name of
our network and, where our count rounds to a different number, the reason.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class PaperNetwork:
    """One row of a table of the paper.

    Attributes:
        name: in ``acmix list``.
        label: in the paper.
        params: in millions, as printed; empty if not printed.
        flops: multiply-adds in billions, as printed; empty if not printed or not known.
        score: top-1 accuracy or mIoU in percent, as printed; empty if not kept here.
        reason: cause of a difference from our count.
        arguments: arguments of the backbone that the recipe sets, too.
        source: of the printed numbers.
    """

    name: str
    label: str
    params: str = ""
    flops: str = ""
    score: str = ""
    reason: str = ""
    arguments: Mapping[str, Any] = field(default_factory=dict)
    source: str = "the ACmix paper"


_RESNET = (
    "ours are those of the released code; the printed parameters fit, at all three depths, if the "
    "group convolution's 81 C weights are counted twice; 0.02 G of the printed FLOPs, at all "
    "depths alike, are in no reading"
)
_SAN = (
    "never released, ours is our reading; no operator whose extra weights are proportional to the "
    "width has all three printed parameter counts; printed FLOPs fit ours without BatchNorm's"
)
_SWIN_TINY = "28.29 M; the paper repeats the 29 M that Swin's own paper prints"
_SWIN_ACMIX = (
    "ours are those of the released code; the printed ones fit its extra parameters added to the "
    "rounded ones of Swin"
)

PAPER_MODELS = (
    PaperNetwork("resnet26", "ResNet 26", "13.7", "2.4", "73.6"),
    PaperNetwork("acmix_resnet26", "ResNet-ACmix 26", "10.6", "2.3", "76.1", _RESNET),
    PaperNetwork("resnet38", "ResNet 38", "19.6", "3.2", "76.0"),
    PaperNetwork("acmix_resnet38", "ResNet-ACmix 38", "14.6", "2.9", "77.4", _RESNET),
    PaperNetwork("resnet50", "ResNet 50", "25.6", "4.1", "76.9"),
    PaperNetwork("acmix_resnet50", "ResNet-ACmix 50", "18.6", "3.6", "77.8", _RESNET),
    PaperNetwork("san10", "SAN 10", "11.8", "1.9", "77.1"),
    PaperNetwork("acmix_san10", "SAN-ACmix 10", "12.1", "1.9", "77.6", _SAN),
    PaperNetwork("san15", "SAN 15", "16.2", "2.6", "78.0"),
    PaperNetwork("acmix_san15", "SAN-ACmix 15", "16.6", "2.7", "78.4", _SAN),
    PaperNetwork("san19", "SAN 19", "20.5", "3.3", "78.2"),
    PaperNetwork("acmix_san19", "SAN-ACmix 19", "21.2", "3.4", "78.7", _SAN),
    PaperNetwork("pvt_tiny", "PVT-T", "13", "1.9", "75.1"),
    PaperNetwork("acmix_pvt_tiny", "PVT-ACmix-T", "13", "2.0", "78.0"),
    PaperNetwork("pvt_small", "PVT-S", "25", "3.8", "79.8", "24.49 M; PVT's own paper prints 24.5"),
    PaperNetwork(
        "acmix_pvt_small", "PVT-ACmix-S", "25", "3.9", "81.7",
        "never released, ours is our reading; the paper's own Fig. 4 plots 3.96 G",
    ),
    PaperNetwork("swin_tiny", "Swin-T", "29", "4.5", "81.3", _SWIN_TINY),
    PaperNetwork("acmix_swin_tiny", "Swin-ACmix-T", "30", "4.6", "81.9", _SWIN_ACMIX),
    PaperNetwork("swin_small", "Swin-S", "50", "8.7", "83.0"),
    PaperNetwork("acmix_swin_small", "Swin-ACmix-S", "51", "9.0", "83.5", _SWIN_ACMIX),
    PaperNetwork(
        "conv_swin_tiny", "Conv-Swin-T (Tab. 6)", "39", "4.5", "80.5",
        "4.5 G is Swin-T's; dense 3x3 convolutions of 39 M parameters in all cost 6.1 G",
    ),
)  # fmt: skip


ABLATIONS = {
    "attention": "81.3",
    "conv_swin": "80.5",
    "sum": "81.5",
    "alpha": "81.6 (it or beta)",
    "beta": "81.6 (it or alpha)",
    "complement": "81.5",
    "both": "81.9",
    "shift": "81.4",
    "fixed": "81.4",
    "random": "81.5",
    "learnable": "81.9",
}
"""Top-1 in percent of Tab. 6 and Tab. 7, Swin-T on ImageNet, by our configurations' file names."""


@dataclass(frozen=True)
class PaperComplexity:
    """A model of Tab. 1 and Tab. 8: the ACmix model and, if in the paper, the convolution model."""

    label: str
    name: str
    conv_name: str | None = None


PAPER_COMPLEXITY = (
    PaperComplexity("ResNet 50", "acmix_resnet50", "resnet50"),
    PaperComplexity("SAN 19", "acmix_san19"),
    PaperComplexity("Swin-T", "acmix_swin_tiny"),
)
STAGE_ONE_SHARES = {"convolution": 99, "self-attention": 83}
"""Percent of a ResNet 50's computation at Stage I, by the text of Sec. 3.3."""

_RESNET_DETECTOR = (
    "the printed numbers lie between those of 800 x 1280 and of 800 x 1333; what ACmix adds to "
    "SASA fits"
)
_PVT_DETECTOR = (
    "width 1333 is no multiple of the patches' 4: ours pads the rest to a patch where PVT's code "
    "drops it, which fits the printed number"
)
_FPN_ACMIX = "never released, ours is our reading: 1.5 G more than PVT-T, printed are 2"
_UPERNET_ACMIX_TINY = (
    "printed, ACmix adds 5 G to Swin-T as to Swin-S; ours adds 3.6 and 5.9 G, in proportion to the "
    "blocks"
)
_UPERNET_ACMIX_SMALL = "82.0 M; the paper prints Swin-S's 81 M for both"


def _detector(name: str, label: str, flops: str = "", reason: str = "") -> PaperNetwork:
    return PaperNetwork(f"retinanet_{name}", f"RetinaNet, {label}", flops=flops, reason=reason)


PAPER_DETECTORS = (
    _detector("resnet50", "ResNet 50"),
    _detector("attention_resnet50", "SASA", "226", _RESNET_DETECTOR),
    _detector("acmix_resnet50", "ResNet-ACmix 50", "230", _RESNET_DETECTOR),
    _detector("san19", "SAN 19", "229"),
    _detector("acmix_san19", "SAN-ACmix 19", "233"),
    _detector("pvt_tiny", "PVT-T", "230", _PVT_DETECTOR),
    _detector("acmix_pvt_tiny", "PVT-ACmix-T", "232", _PVT_DETECTOR),
    _detector("pvt_small", "PVT-S (Tab. 5)"),
    _detector("acmix_pvt_small", "PVT-ACmix-S (Tab. 5)"),
    _detector("pvt_large", "PVT-L (Tab. 5)"),
    PaperNetwork("mask_rcnn_swin_tiny", "Mask R-CNN, Swin-T", flops="272"),
    PaperNetwork("mask_rcnn_acmix_swin_tiny", "Mask R-CNN, Swin-ACmix-T", flops="275"),
    PaperNetwork("cascade_mask_rcnn_swin_tiny", "Cascade Mask R-CNN, Swin-T", flops="750"),
    PaperNetwork(
        "cascade_mask_rcnn_acmix_swin_tiny", "Cascade Mask R-CNN, Swin-ACmix-T", flops="754"
    ),
)
"""Detectors of Tab. 3, Tab. 4 and Tab. 5. The printed numbers of Tab. 4 fit Swin without the zeros
that fill up its windows, where the recipes, as its code, compute with them."""


def _semantic_fpn(
    name: str, label: str, params: str, flops: str, score: str, reason: str = ""
) -> PaperNetwork:
    return PaperNetwork(
        f"semantic_fpn_{name}", f"Semantic FPN, {label}", params, flops, score, reason
    )


def _upernet(
    name: str, label: str, params: str, flops: str, score: str, reason: str = ""
) -> PaperNetwork:
    return PaperNetwork(
        f"upernet_{name}", f"UperNet, {label}", params, flops, score, reason,
        {"mask_padding": False},
    )  # fmt: skip


PAPER_SEGMENTERS = (
    _semantic_fpn("pvt_tiny", "PVT-T", "17", "158", "37.1"),
    _semantic_fpn("acmix_pvt_tiny", "PVT-ACmix-T", "17", "160", "42.7", _FPN_ACMIX),
    _semantic_fpn("pvt_small", "PVT-S", "28", "225", "42.4"),
    _semantic_fpn("acmix_pvt_small", "PVT-ACmix-S", "29", "228", "46.4"),
    _upernet("swin_tiny", "Swin-T", "60", "945", "44.5"),
    _upernet("acmix_swin_tiny", "Swin-ACmix-T", "60", "950", "45.3", _UPERNET_ACMIX_TINY),
    _upernet("swin_small", "Swin-S", "81", "1038", "47.6"),
    _upernet("acmix_swin_small", "Swin-ACmix-S", "81", "1043", "48.7", _UPERNET_ACMIX_SMALL),
)
"""Segmenters of Tab. 2."""


@dataclass(frozen=True)
class PaperSpeed:
    """A row of a speed table.

    Attributes:
        name: in ``acmix list``.
        printed: images per second, device and speed-up, as printed; empty if not printed.
        baseline: row that the paper compares it with.
        label: name of the row; empty for that of the model.
        arguments: arguments of the model.
    """

    name: str
    printed: str = ""
    baseline: str | None = None
    label: str = ""
    arguments: Mapping[str, Any] = field(default_factory=dict)

    @property
    def row(self) -> str:
        """Name of the row."""
        return self.label or self.name


_SHIFTS = "tensor shifts"


def _kernel(label: str, conv_variant: str, fps: str) -> PaperSpeed:
    return PaperSpeed(
        "acmix_swin_tiny", f"{fps} img/s", _SHIFTS, label, {"conv_variant": conv_variant}
    )


def _recipes_pair(name: str) -> tuple[PaperSpeed, PaperSpeed]:
    plain, arguments = name.format(""), {"mask_padding": False}
    return (
        PaperSpeed(plain, arguments=arguments),
        PaperSpeed(name.format("acmix_"), baseline=plain, arguments=arguments),
    )


@dataclass(frozen=True)
class SpeedTable:
    """Networks to measure in interleaved rounds, and the batch sizes."""

    rows: tuple[PaperSpeed, ...]
    batch_sizes: tuple[int, ...] = (1, 8)


# Backbones of one size class, 3 to 5 GMACs, that have an ACmix variant.
_PLAIN = ("resnet50", "san19", "pvt_small", "swin_tiny")

SPEED_TABLES = {
    "models": SpeedTable(
        tuple(
            row
            for name in _PLAIN
            for row in (PaperSpeed(name), PaperSpeed(f"acmix_{name}", baseline=name))
        )
    ),
    # Tab. 7, of Swin-ACmix-T; the paper does not name the device.
    "shift": SpeedTable(
        (
            _kernel(_SHIFTS, "shift", "313"),
            _kernel("fixed kernels", "fixed", "419"),
            _kernel("learned kernels, random start", "random", "419"),
            _kernel("learned kernels, shifts as start", "learnable", "419"),
        )
    ),
    # Tab. 5, and the two-stage detectors of Tab. 4, which prints no speed, as their recipes are.
    "detectors": SpeedTable(
        (
            PaperSpeed("retinanet_pvt_small", "50.3 img/s, Ascend 910"),
            PaperSpeed(
                "retinanet_acmix_pvt_tiny", "67.7 img/s, Ascend 910, 1.3x", "retinanet_pvt_small"
            ),
            PaperSpeed("retinanet_pvt_large", "24.3 img/s, Ascend 910"),
            PaperSpeed(
                "retinanet_acmix_pvt_small", "43.9 img/s, Ascend 910, 1.8x", "retinanet_pvt_large"
            ),
            *_recipes_pair("mask_rcnn_{}swin_tiny"),
            *_recipes_pair("cascade_mask_rcnn_{}swin_tiny"),
        ),
        batch_sizes=(1,),
    ),
    # Tab. 2, which prints no speed.
    "segmentation": SpeedTable(
        tuple(
            PaperSpeed(
                row.name,
                baseline=row.name.replace("acmix_", "") if "acmix" in row.name else None,
                arguments=row.arguments,
            )
            for row in PAPER_SEGMENTERS
        ),
        batch_sizes=(1,),
    ),
}
"""Speed tables by name. Imports no MindSpore, so the command-line parser can use it."""
