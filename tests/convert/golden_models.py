"""Weights, inputs and outputs of the official PyTorch implementations (tests/golden)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from mindspore import nn

from acmix import ACmix
from acmix.layers.augmented_conv import AugmentedConv
from acmix.layers.local_relation import LocalRelationConv
from acmix.models.conformer import Conformer
from acmix.models.contnet import ContBlock, ContNet
from acmix.models.convit import ConViT
from acmix.models.cvt import CvT
from acmix.models.lrnet import LRNet
from acmix.models.pvt import PVT
from acmix.models.residual import Bottleneck
from acmix.models.swin import Swin
from acmix.models.t2t import T2TViT

_FOLDER = Path(__file__).parent.parent / "golden"


class Golden(NamedTuple):
    """One run of an official module in evaluation mode."""

    meta: dict[str, Any]
    state: dict[str, np.ndarray]
    input: np.ndarray
    output: np.ndarray


def load_golden(name: str) -> Golden:
    with np.load(_FOLDER / f"{name}.npz") as file:
        state = {key[2:]: file[key] for key in file.files if key.startswith("p:")}
        return Golden(json.loads(str(file["meta"])), state, file["in"], file["out"])


def build(name: str, conv_impl: str = "group") -> nn.Cell:
    """Our Cell with the arguments of the golden module, untrained, in evaluation mode."""
    return _BUILDERS[name](load_golden(name).meta, conv_impl).set_train(False)


def _local_acmix(meta: dict[str, Any], conv_impl: str) -> ACmix:
    return ACmix(
        meta["in_planes"],
        meta["out_planes"],
        meta["head"],
        kernel_size=meta["kernel_att"],
        conv_kernel_size=meta["kernel_conv"],
        stride=meta["stride"],
        conv_impl=conv_impl,
    )


def _bottleneck(meta: dict[str, Any], conv_impl: str) -> Bottleneck:
    width, stride = meta["planes"], meta["stride"]
    mixer = ACmix(
        width,
        width,
        meta["head"],
        kernel_size=meta["k_att"],
        conv_kernel_size=meta["k_conv"],
        stride=stride,
        conv_impl=conv_impl,
    )
    return Bottleneck(meta["inplanes"], mixer, width, stride, drop_path_rate=0.0)


def _window_acmix(meta: dict[str, Any], conv_impl: str) -> ACmix:
    return ACmix(
        meta["dim"],
        meta["dim"],
        meta["heads"],
        attention="window",
        window_size=meta["window"],
        fc_bias=True,
        conv_impl=conv_impl,
    )


def _swin(mixer: str):
    def make(meta: dict[str, Any], conv_impl: str) -> Swin:
        return Swin(
            meta["embed_dim"],
            meta["depths"],
            meta["num_heads"],
            mixer=mixer,
            num_classes=meta["num_classes"],
            window_size=meta["window_size"],
            conv_impl=conv_impl,
        )

    return make


def _patchwise(meta: dict[str, Any], conv_impl: str) -> ACmix:
    return ACmix(
        meta["in_planes"],
        meta["out_planes"],
        qk_channels=meta["rel_planes"],
        attention="patchwise",
        kernel_size=meta["kernel_size"],
        share_planes=meta["share_planes"],
        combine="attention",
    )


def _pvt(meta: dict[str, Any], conv_impl: str) -> PVT:
    return PVT(
        meta["depths"],
        meta["embed_dims"],
        meta["num_heads"],
        meta["mlp_ratios"],
        meta["sr_ratios"],
        num_classes=meta["num_classes"],
        image_size=meta["img_size"],
    )


def _augmented_conv(meta: dict[str, Any], conv_impl: str) -> AugmentedConv:
    return AugmentedConv(
        meta["in_channels"],
        meta["out_channels"],
        meta["dk"],
        meta["dv"],
        meta["num_heads"],
        tuple(meta["attention_size"]),
        meta["stride"],
        meta["downsample_attention"],
    )


def _augmented_bottleneck(meta: dict[str, Any], conv_impl: str) -> Bottleneck:
    width, stride, heads = meta["planes"], meta["stride"], meta["num_heads"]
    values = heads * int(meta["upsilon"] * width / heads)
    keys = heads * meta["min_key_dim"]
    mixer = AugmentedConv(width, width, keys, values, heads, meta["attention_size"], stride)
    return Bottleneck(meta["inplanes"], mixer, width, stride, drop_path_rate=0.0)


def _relative(meta: dict[str, Any], conv_impl: str) -> ACmix:
    return ACmix(
        meta["dim"],
        num_heads=meta["num_heads"],
        attention="relative",
        map_size=meta["map_size"],
        stride=meta["stride"],
        combine="attention",
        qkv_bias=False,
    )


def _relation(meta: dict[str, Any], conv_impl: str) -> LocalRelationConv:
    return LocalRelationConv(
        meta["dim"], meta["kernel_size"], meta["share"], meta["stride"], meta["similarity"]
    )


def _lrnet(meta: dict[str, Any], conv_impl: str) -> LRNet:
    return LRNet(
        meta["layers"],
        meta["widths"],
        num_classes=meta["num_classes"],
        stem_width=meta["stem"],
        kernel_size=meta["kernel_size"],
        share=meta["share"],
    )


def _cont_block(meta: dict[str, Any], conv_impl: str) -> ContBlock:
    ends = meta["planes"] != meta["out_planes"]
    return ContBlock(
        meta["planes"],
        meta["out_planes"],
        meta["mlp_dim"],
        meta["head_num"],
        meta["patch_size"],
        kernel_size=1 if ends and meta["stride"] == 1 else 3,
        stride=meta["stride"],
        ends_stage=ends,
    )


def _contnet(meta: dict[str, Any], conv_impl: str) -> ContNet:
    return ContNet(
        meta["layers"],
        meta["inplanes"],
        meta["mlp_dim"],
        meta["head_num"],
        num_classes=meta["num_classes"],
    )


def _convit(meta: dict[str, Any], conv_impl: str) -> ConViT:
    return ConViT(
        meta["embed_dim"],
        meta["depth"],
        meta["local_up_to_layer"],
        meta["num_heads"],
        num_classes=meta["num_classes"],
        image_size=meta["img_size"],
    )


def _t2t(meta: dict[str, Any], conv_impl: str) -> T2TViT:
    return T2TViT(
        meta["embed_dim"],
        meta["depth"],
        meta["num_heads"],
        meta["mlp_ratio"],
        meta["tokens_type"],
        meta["token_dim"],
        num_classes=meta["num_classes"],
        image_size=meta["img_size"],
    )


def _cvt(meta: dict[str, Any], conv_impl: str) -> CvT:
    return CvT(meta["depth"], meta["dims"], meta["heads"], num_classes=meta["num_classes"])


def _conformer(meta: dict[str, Any], conv_impl: str) -> Conformer:
    third = meta["depth"] // 3
    return Conformer(
        (third, third, third - 1, 1),
        int(64 * meta["channel_ratio"]),
        meta["embed_dim"],
        meta["num_heads"],
        meta["mlp_ratio"],
        num_classes=meta["num_classes"],
    )


_BUILDERS = {
    "acmix_resnet_op": _local_acmix,
    "acmix_resnet_op_stride2": _local_acmix,
    "acmix_resnet_bottleneck": _bottleneck,
    "acmix_swin_attention": _window_acmix,
    "acmix_swin_small": _swin("acmix"),
    "swin_small": _swin("attention"),
    "san_patchwise_k7": _patchwise,
    "pvt_small_fixture": _pvt,
    "aa_conv": _augmented_conv,
    "aa_conv_downsampled": _augmented_conv,
    "aa_conv_stride2": _augmented_conv,
    "aa_bottleneck": _augmented_bottleneck,
    "botnet_attention": _relative,
    "contnet_block": _cont_block,
    "contnet_block_down": _cont_block,
    "contnet_block_last": _cont_block,
    "contnet_small_fixture": _contnet,
    "lr_layer": _relation,
    "lr_layer_product": _relation,
    "lr_layer_stride2": _relation,
    "lrnet_small_fixture": _lrnet,
    "convit_small_fixture": _convit,
    "t2t_performer_small": _t2t,
    "t2t_transformer_small": _t2t,
    "cvt_small_fixture": _cvt,
    "conformer_small_fixture": _conformer,
}
NAMES = tuple(_BUILDERS)
