"""All models and heads by name, and their sizes. Classes are imported when they are made.

A new backbone is one file in this package and its table here; a new head one file and one line.
"""

from __future__ import annotations

from acmix.models.registry import register_head, register_models

_RESNET_DEPTHS = {26: (1, 2, 4, 1), 38: (2, 3, 5, 2), 50: (3, 4, 6, 3)}

register_models(
    "acmix.models.resnet:ResNet",
    {
        f"{prefix}resnet{layers}": {"depths": depths, "mixer": mixer}
        for prefix, mixer in (("", "conv"), ("acmix_", "acmix"))
        for layers, depths in _RESNET_DEPTHS.items()
    }
    | {
        f"sasa_resnet{layers}": {"depths": depths, "mixer": "acmix", "combine": "attention"}
        for layers, depths in _RESNET_DEPTHS.items()
    }
    | {"botnet50": {"depths": _RESNET_DEPTHS[50], "mixer": ("conv", "conv", "conv", "relative")}},
)

_SAN_DEPTHS = {10: (2, 1, 2, 4, 1), 15: (3, 2, 3, 5, 2), 19: (3, 3, 4, 6, 3)}

register_models(
    "acmix.models.san:SAN",
    {
        f"{prefix}san{layers}": {"depths": depths, "mixer": mixer}
        for prefix, mixer in (("", "attention"), ("acmix_", "acmix"))
        for layers, depths in _SAN_DEPTHS.items()
    },
)

_PVT_DEPTHS = {
    "tiny": (2, 2, 2, 2),
    "small": (3, 4, 6, 3),
    "medium": (3, 4, 18, 3),
    "large": (3, 8, 27, 3),
}

register_models(
    "acmix.models.pvt:PVT",
    {
        f"{prefix}pvt_{size}": {"depths": depths, "mixer": mixer}
        for prefix, mixer in (("", "attention"), ("acmix_", "acmix"))
        for size, depths in _PVT_DEPTHS.items()
    },
)

_SWIN_DEPTHS = {"tiny": (2, 2, 6, 2), "small": (2, 2, 18, 2), "base": (2, 2, 18, 2)}
_SWIN_WIDTHS: dict[str, dict] = {"base": {"embed_dim": 128, "num_heads": (4, 8, 16, 32)}}

register_models(
    "acmix.models.swin:Swin",
    {
        f"{prefix}swin_{size}": {"depths": depths, "mixer": mixer, **_SWIN_WIDTHS.get(size, {})}
        for prefix, mixer in (("", "attention"), ("acmix_", "acmix"))
        for size, depths in _SWIN_DEPTHS.items()
    }
    | {"conv_swin_tiny": {"depths": _SWIN_DEPTHS["tiny"], "mixer": "conv"}},
)

register_head("detectors", "retinanet", "acmix.models.detection.retinanet:RetinaNet")
register_head("detectors", "mask_rcnn", "acmix.models.detection.mask_rcnn:MaskRCNN")
register_head(
    "detectors",
    "cascade_mask_rcnn",
    "acmix.models.detection.cascade_mask_rcnn:CascadeMaskRCNN",
)
register_head("segmenters", "semantic_fpn", "acmix.models.segmentation.semantic_fpn:SemanticFPN")
register_head("segmenters", "upernet", "acmix.models.segmentation.upernet:UperNet")
