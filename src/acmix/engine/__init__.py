"""Training and evaluation of any task."""

from acmix.engine.checkpoint import load_weights, save_weights
from acmix.engine.checkpoint_folder import CheckpointFolder, latest_checkpoint
from acmix.engine.configured_step import create_train_step
from acmix.engine.evaluate import Dataset, evaluate
from acmix.engine.fit_result import FitResult
from acmix.engine.parameter_file import WEIGHT_SUFFIXES, is_mindspore_file
from acmix.engine.run_dir import RunDir
from acmix.engine.trainer import Trainer

__all__ = [
    "WEIGHT_SUFFIXES",
    "CheckpointFolder",
    "Dataset",
    "FitResult",
    "RunDir",
    "Trainer",
    "create_train_step",
    "evaluate",
    "is_mindspore_file",
    "latest_checkpoint",
    "load_weights",
    "save_weights",
]
