"""Training and evaluation of any task."""

from acmix.engine.checkpoint import latest_checkpoint, load_weights, save_weights
from acmix.engine.evaluate import Dataset, evaluate
from acmix.engine.run_dir import RunDir
from acmix.engine.trainer import FitResult, Trainer, create_train_step

__all__ = [
    "Dataset",
    "FitResult",
    "RunDir",
    "Trainer",
    "create_train_step",
    "evaluate",
    "latest_checkpoint",
    "load_weights",
    "save_weights",
]
