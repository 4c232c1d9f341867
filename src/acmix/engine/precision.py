"""Mixed precision: float16 or bfloat16 for most Cells, and loss scaling."""

from __future__ import annotations

from typing import Literal

import mindspore as ms
from mindspore import amp, nn
from mindspore._c_expression import MSContext

from acmix.config import TrainConfig
from acmix.errors import check

INITIAL_SCALE = 2.0**16
"""Start of dynamic loss scaling: the largest power of two that a float16 gradient of 1 survives."""

GROWTH_INTERVAL = 2000
"""Finite steps after which dynamic loss scaling doubles, as in PyTorch's GradScaler."""

FULL_PRECISION = (nn.Softmax, nn.LogSoftmax, nn.GroupNorm)
"""Cells kept in float32 in addition to MindSpore's own list (BatchNorm, LayerNorm)."""

NOT_IN_BFLOAT16 = (nn.MaxPool2d,)
"""Cells whose operator on Ascend takes float16, but not bfloat16."""

FIRST_CHIP = "ascend910"
"""What MindSpore calls the Ascend 910, also 910A, which has no bfloat16."""


def apply_mixed_precision(
    network: nn.Cell,
    level: Literal["O0", "O2"],
    dtype: Literal["float16", "bfloat16"] = "float16",
) -> nn.Cell:
    """Change the Cells of ``network`` in place to compute at ``level``, and return it.

    ``O2`` computes in ``dtype`` except for norms and softmax Cells. A BatchNorm reads and writes
    float16, but not bfloat16, which its operator does not take; a maximum neither. Parameters stay
    float32 and keep their names. Other numerically sensitive code casts to float32 itself.
    """
    if level == "O0":
        return network
    full = [*amp.get_black_list(), *FULL_PRECISION]
    if dtype == "bfloat16":
        full += NOT_IN_BFLOAT16
        return amp.custom_mixed_precision(network, black_list=full, dtype=ms.bfloat16)
    network = amp.custom_mixed_precision(network, black_list=full)
    for _, cell in network.cells_and_names():
        if isinstance(cell, nn.BatchNorm2d):
            # Its operator computes float16 maps in float32: casts around it would only copy them.
            cell.add_flags(fp16=False, fp32=False, bf16=False)
            cell.mixed_precision_type = None  # PyNative mode reads this
    return network


def check_precision(config: TrainConfig, target: str) -> None:
    """Raise UserError if the device of this process does not compute in the precision.

    Args:
        config: the section ``train``.
        target: of MindSpore: ``CPU``, ``GPU`` or ``Ascend``.
    """
    if config.dtype != "bfloat16":
        return
    remedy = "train with train.amp_dtype=float16"
    check(
        target == "Ascend",
        f"train.amp_dtype=bfloat16: MindSpore multiplies it on Ascend only, not on {target}; "
        f"{remedy}.",
    )
    chip = MSContext.get_instance().get_ascend_soc_version()
    check(
        chip != FIRST_CHIP,
        f"train.amp_dtype=bfloat16: this device, {chip}, has no bfloat16; Atlas A2 (910B) and "
        f"later ones do; {remedy}.",
    )


def create_loss_scaler(config: TrainConfig) -> amp.LossScaler | None:
    """Return the loss scaler of the section ``train``; None unless float16 is trained in."""
    if config.dtype != "float16":
        return None
    if config.loss_scale == "dynamic":
        return amp.DynamicLossScaler(INITIAL_SCALE, scale_factor=2, scale_window=GROWTH_INTERVAL)
    return amp.StaticLossScaler(config.loss_scale)
