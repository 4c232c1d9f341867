"""Use cases of a configuration: train, evaluate, export, predict, convert."""

from acmix.workflows.conversion import export_torch, import_torch
from acmix.workflows.export import export
from acmix.workflows.predict import picture_names, predict
from acmix.workflows.training import evaluate, train

__all__ = [
    "evaluate",
    "export",
    "export_torch",
    "import_torch",
    "picture_names",
    "predict",
    "train",
]
