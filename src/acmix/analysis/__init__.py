"""Counting, summarising and plotting networks and their training."""

from acmix.analysis.attention import attention_layers, attention_shares
from acmix.analysis.macs import CellCount, Trace, trace
from acmix.analysis.path_bias import (
    PathBias,
    path_biases,
    path_weights,
    undefined_ratios,
    write_path_biases,
)
from acmix.analysis.path_plots import plot_attention, plot_path_biases, plot_path_curves
from acmix.analysis.plots import plot_confusion_matrix, plot_training_curve
from acmix.analysis.summary import render_summary, summary_rows

__all__ = [
    "CellCount",
    "PathBias",
    "Trace",
    "attention_layers",
    "attention_shares",
    "path_biases",
    "path_weights",
    "plot_attention",
    "plot_confusion_matrix",
    "plot_path_biases",
    "plot_path_curves",
    "plot_training_curve",
    "render_summary",
    "summary_rows",
    "trace",
    "undefined_ratios",
    "write_path_biases",
]
