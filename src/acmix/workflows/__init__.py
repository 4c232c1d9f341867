"""Use cases of a configuration: train, evaluate, export, predict, convert."""

from acmix.workflows.conversion import export_torch, import_torch
from acmix.workflows.export import export
from acmix.workflows.predict import Unreadable, picture_folder, predict
from acmix.workflows.training import evaluate, train

__all__ = [
    "Unreadable",
    "evaluate",
    "export",
    "export_torch",
    "import_torch",
    "picture_folder",
    "predict",
    "train",
]
