"""Use cases of a configuration: train, evaluate, export, predict, convert."""

from acmix.workflows.batches import Unreadable
from acmix.workflows.comparison import write_comparisons
from acmix.workflows.conversion import export_torch, import_torch
from acmix.workflows.export import export
from acmix.workflows.predict import picture_folder, predict
from acmix.workflows.prediction_files import csv_table
from acmix.workflows.runs import model_file
from acmix.workflows.training import evaluate, train

__all__ = [
    "Unreadable",
    "csv_table",
    "evaluate",
    "export",
    "export_torch",
    "import_torch",
    "model_file",
    "picture_folder",
    "predict",
    "train",
    "write_comparisons",
]
