"""Training and evaluation of any task."""

from acmix.engine.checkpoint import latest_checkpoint, load_weights, save_weights
from acmix.engine.evaluate import Dataset, evaluate
from acmix.engine.run_dir import RunDir
from acmix.engine.trainer import FitResult, Trainer

__all__ = [
    "Dataset",
    "FitResult",
    "RunDir",
    "Trainer",
    "evaluate",
    "latest_checkpoint",
    "load_weights",
    "save_weights",
]
