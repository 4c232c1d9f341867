"""What is done with a configuration: train, evaluate, export, convert, predict, measure.

The only package that sees all sides. What differs between the tasks is in one workflow each,
:mod:`acmix.recipe.classification` and :mod:`acmix.recipe.detection`.
"""

from acmix.recipe.auditing import audit_config, audit_file, network_config
from acmix.recipe.conversion import export_torch, import_torch
from acmix.recipe.deployment import export, picture_names, predict
from acmix.recipe.measuring import (
    GAINS,
    bench,
    bench_table,
    create_network,
    default_size,
)
from acmix.recipe.pipeline import bench_pipeline
from acmix.recipe.planning import plan_config
from acmix.recipe.scaling import bench_scaling
from acmix.recipe.training import evaluate, train
from acmix.recipe.workflow import Prediction
from acmix.recipe.workflows import WORKFLOWS

__all__ = [
    "GAINS",
    "WORKFLOWS",
    "Prediction",
    "audit_config",
    "audit_file",
    "bench",
    "bench_pipeline",
    "bench_scaling",
    "bench_table",
    "create_network",
    "default_size",
    "evaluate",
    "export",
    "export_torch",
    "import_torch",
    "network_config",
    "picture_names",
    "plan_config",
    "predict",
    "train",
]
