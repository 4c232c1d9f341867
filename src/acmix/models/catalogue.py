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
        f"attention_resnet{layers}": {"depths": depths, "mixer": "acmix", "combine": "attention"}
        for layers, depths in _RESNET_DEPTHS.items()
    }
    | {
        "botnet50": {
            "depths": _RESNET_DEPTHS[50],
            "mixer": ("conv", "conv", "conv", "relative"),
            "zero_start": True,
        }
    },
)

register_models(
    "acmix.models.sasa_resnet:SASAResNet",
    {f"sasa_resnet{layers}": {"depths": depths} for layers, depths in _RESNET_DEPTHS.items()},
)

_AUGMENTED = {"mixer": ("conv", "augmented_halved", "augmented", "augmented")}

register_models(
    "acmix.models.aa_resnet:AAResNet",
    {
        "aa_resnet34": {
            "depths": (3, 4, 6, 3),
            "block": "basic",
            "key_share": 0.25,
            "value_share": 0.25,
            **_AUGMENTED,
        },
        "aa_resnet50": {"depths": (3, 4, 6, 3), **_AUGMENTED},
        "aa_resnet101": {"depths": (3, 4, 23, 3), **_AUGMENTED},
    },
)

register_models(
    "acmix.models.lrnet:LRNet",
    {"lrnet26": {"depths": (2, 2, 2, 2)}, "lrnet50": {"depths": (3, 4, 6, 3)}},
)

register_models(
    "acmix.models.contnet:ContNet",
    {
        "contnet_tiny": {
            "depths": (1, 1, 1, 1),
            "width": 48,
            "mlp_dims": (196, 392, 768, 768),
        },
        "contnet_small": {"depths": (1, 1, 1, 1)},
        "contnet_medium": {"depths": (2, 2, 2, 2)},
        "contnet_base": {"depths": (3, 4, 6, 3), "dropout": 0.1, "last_dropout": 0.2},
    },
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

_CONVIT_HEADS = {"tiny": 4, "small": 9, "base": 16}

register_models(
    "acmix.models.convit:ConViT",
    {
        f"convit_{size}{suffix}": {"embed_dim": channels * heads, "num_heads": heads}
        for size, heads in _CONVIT_HEADS.items()
        for suffix, channels in (("", 48), ("_plus", 64))
    }
    # Ours: no paper has it.
    | {"acmix_convit_tiny": {"embed_dim": 192, "num_heads": 4, "mixer": "acmix"}},
)

_T2T_NARROW = {"embed_dim": 256, "num_heads": 4, "mlp_ratio": 2.0}
_T2T_SIZES: dict[int, dict] = {
    7: _T2T_NARROW,
    10: _T2T_NARROW,
    12: _T2T_NARROW,
    14: {"embed_dim": 384, "num_heads": 6},
    19: {"embed_dim": 448, "num_heads": 7},
    24: {"embed_dim": 512, "num_heads": 8},
}

register_models(
    "acmix.models.t2t:T2TViT",
    {f"t2t_vit_{depth}": {"depth": depth, **size} for depth, size in _T2T_SIZES.items()}
    | {
        f"t2t_vit_t_{depth}": {"depth": depth, "tokens": "transformer", **_T2T_SIZES[depth]}
        for depth in (14, 19, 24)
    }
    # Ours: no paper has it.
    | {"acmix_t2t_vit_7": {"depth": 7, "mixer": "acmix", **_T2T_NARROW}},
)

register_models(
    "acmix.models.cvt:CvT",
    {"cvt_13": {"depths": (1, 2, 10)}, "cvt_21": {"depths": (1, 4, 16)}},
)

register_models(
    "acmix.models.conformer:Conformer",
    {
        "conformer_tiny": {"width": 64},
        "conformer_small": {"width": 256},
        "conformer_base": {"width": 384, "embed_dim": 576, "num_heads": 9},
        # Ours: no paper has it.
        "acmix_conformer_tiny": {"width": 64, "mixer": "acmix"},
    },
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
