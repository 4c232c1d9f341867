"""Backbones and their registry. A new backbone is one file here and one import below."""

from acmix.models import pvt, resnet, san, swin
from acmix.models.backbone import Backbone, FeatureInfo
from acmix.models.registry import create_model, list_models, register_models

__all__ = [
    "Backbone",
    "FeatureInfo",
    "create_model",
    "list_models",
    "pvt",
    "register_models",
    "resnet",
    "san",
    "swin",
]
