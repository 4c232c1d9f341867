"""Counting, summarising and plotting networks and their training."""

from acmix.analysis.macs import CellCount, Trace, trace
from acmix.analysis.path_bias import path_weights
from acmix.analysis.plots import plot_confusion_matrix, plot_training_curve
from acmix.analysis.summary import render_summary, summary_rows

__all__ = [
    "CellCount",
    "Trace",
    "path_weights",
    "plot_confusion_matrix",
    "plot_training_curve",
    "render_summary",
    "summary_rows",
    "trace",
]
