"""Use cases of a configuration: train, evaluate, export, predict, convert."""

from acmix.workflows.conversion import export_torch, import_torch
from acmix.workflows.export import export
from acmix.workflows.pictures import PictureFolder
from acmix.workflows.predict import Unreadable, predict
from acmix.workflows.training import evaluate, train

__all__ = [
    "PictureFolder",
    "Unreadable",
    "evaluate",
    "export",
    "export_torch",
    "import_torch",
    "predict",
    "train",
]
