"""Families by class of Cell; a new family adds one module and its entries here."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from mindspore import nn

from acmix.convert import pvt, san, vit
from acmix.convert.contnet import CONTNET
from acmix.convert.detection import CASCADE_MASK_RCNN, MASK_RCNN, RETINANET, UNREAD
from acmix.convert.dialects import recognise
from acmix.convert.lrnet import LRNET
from acmix.convert.resnet import RESNET
from acmix.convert.rules import Family
from acmix.convert.segmentation import SEGMENTATION
from acmix.convert.swin import SWIN
from acmix.convert.with_backbone import with_backbone
from acmix.errors import UserError
from acmix.layers.acmix import ACmix
from acmix.layers.attention.gated_positional import GatedPositionalAttention
from acmix.layers.attention.global_ import GlobalAttention
from acmix.layers.attention.local import LocalAttention
from acmix.layers.attention.patchwise import PatchwiseAttention
from acmix.layers.attention.relative import RelativeAttention
from acmix.layers.attention.standalone import StandaloneAttention
from acmix.layers.attention.window import WindowAttention
from acmix.layers.augmented_conv import AugmentedConv
from acmix.layers.local_relation import LocalRelationConv
from acmix.models.aa_resnet import AAResNet
from acmix.models.conformer import Conformer
from acmix.models.contnet import ContBlock, ContNet
from acmix.models.convit import ConViT
from acmix.models.cvt import CvT
from acmix.models.detection import CascadeMaskRCNN, MaskRCNN, RetinaNet
from acmix.models.lrnet import LRNet
from acmix.models.pvt import PVT, PVTBlock
from acmix.models.residual import BasicBlock, Bottleneck
from acmix.models.resnet import ResNet
from acmix.models.san import SAN, SANBlock
from acmix.models.sasa_resnet import SASAResNet
from acmix.models.segmentation import Segmenter
from acmix.models.swin import Swin, SwinBlock
from acmix.models.t2t import T2TViT

FAMILIES: dict[type[nn.Cell], Family] = {
    ResNet: RESNET,
    AAResNet: RESNET,
    SASAResNet: RESNET,
    Bottleneck: RESNET,
    BasicBlock: RESNET,
    AugmentedConv: RESNET,
    LocalAttention: RESNET,
    RelativeAttention: RESNET,
    StandaloneAttention: RESNET,
    LRNet: LRNET,
    LocalRelationConv: LRNET,
    ContNet: CONTNET,
    ContBlock: CONTNET,
    Swin: SWIN,
    SwinBlock: SWIN,
    WindowAttention: SWIN,
    SAN: san.SAN,
    SANBlock: san.SAN,
    PatchwiseAttention: san.SAN,
    PVT: pvt.PVT,
    PVTBlock: pvt.PVT,
    GlobalAttention: pvt.PVT,
    ConViT: vit.CONVIT,
    GatedPositionalAttention: vit.CONVIT,
    T2TViT: vit.T2T_VIT,
    CvT: vit.CVT,
    Conformer: vit.CONFORMER,
}
"""Families by class of the model or block, or of the attention of a separate ACmix."""


HEADS: dict[type[nn.Cell], Family] = {
    Segmenter: SEGMENTATION,
    RetinaNet: RETINANET,
    MaskRCNN: MASK_RCNN,
    CascadeMaskRCNN: CASCADE_MASK_RCNN,
}
"""Families, by class of the network, of the heads on a ``backbone`` of any other family."""


def family_of(model: nn.Cell) -> Family:
    """Return the family of ``model``; raise UserError if it has none."""
    if any(cls in HEADS for cls in type(model).__mro__):
        return family_of_class(type(model), type(model.backbone))
    return family_of_class(type(model.attention if isinstance(model, ACmix) else model))


def family_of_class(model: type[nn.Cell], body: type[nn.Cell] | None = None) -> Family:
    """Return the family of a class of Cells; raise UserError if it has none.

    Args:
        model: the class.
        body: class of the ``backbone``, if ``model`` is a head on one.
    """
    for cls in model.__mro__:
        if cls in FAMILIES:
            return FAMILIES[cls]
        if cls in HEADS and body is not None:
            return with_backbone(HEADS[cls], family_of_class(body))
    known = ", ".join(sorted(cls.__name__ for cls in [*FAMILIES, *HEADS]))
    raise UserError(
        f"model: no names in PyTorch are known for a {model.__name__}. "
        f"Pass one of {known}, or an ACmix with such an attention."
    )


def describe_head(state: Mapping[str, np.ndarray]) -> str:
    """Return a sentence on the network with a head that names are of; empty if it is unknown."""
    for cls, family in HEADS.items():
        if recognise(state, family.dialects):
            return f"The names are of a {cls.__name__}; name such a network with --model."
    for dialect in UNREAD:
        if recognise(state, (dialect,)):
            return f"The names are of {dialect.library}, which is not read: {dialect.refusal}."
    return ""
