"""Mixed precision: float16 for most Cells, and loss scaling."""

from __future__ import annotations

from typing import Literal

from mindspore import amp, nn

from acmix.config import TrainConfig

INITIAL_SCALE = 2.0**16
"""Start of dynamic loss scaling: the largest power of two that a float16 gradient of 1 survives."""

GROWTH_INTERVAL = 2000
"""Finite steps after which dynamic loss scaling doubles, as in PyTorch's GradScaler."""

FULL_PRECISION = (nn.Softmax, nn.LogSoftmax, nn.GroupNorm)
"""Cells kept in float32 in addition to MindSpore's own list (BatchNorm, LayerNorm)."""


def apply_mixed_precision(network: nn.Cell, level: Literal["O0", "O2"]) -> nn.Cell:
    """Change the Cells of ``network`` in place to compute at ``level``, and return it.

    ``O2`` computes in float16 except for norms and softmax Cells. A BatchNorm reads and writes
    float16. Parameters stay float32 and keep their names. Other numerically sensitive code casts to
    float32 itself.
    """
    if level == "O0":
        return network
    full = [*amp.get_black_list(), *FULL_PRECISION]
    network = amp.custom_mixed_precision(network, black_list=full)
    for _, cell in network.cells_and_names():
        if isinstance(cell, nn.BatchNorm2d):
            # Its operator computes float16 maps in float32: casts around it would only copy them.
            cell.add_flags(fp16=False, fp32=False, bf16=False)
            cell.mixed_precision_type = None  # PyNative mode reads this
    return network


def create_loss_scaler(config: TrainConfig) -> amp.LossScaler | None:
    """Return the loss scaler of the section ``train``; None under ``O0``."""
    if config.amp == "O0":
        return None
    if config.loss_scale == "dynamic":
        return amp.DynamicLossScaler(INITIAL_SCALE, scale_factor=2, scale_window=GROWTH_INTERVAL)
    return amp.StaticLossScaler(config.loss_scale)
