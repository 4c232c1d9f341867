"""Multiply-adds of MindSpore's own Cells, from their input and output shapes.

A rule maps a Cell, the shapes of its inputs and of its output to counts by kind. The kinds in
:data:`EXTRA_KINDS` are those that SAN's counter adds to the actual multiply-adds.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod

from mindspore import nn

Shape = tuple[int, ...]
Rule = Callable[[nn.Cell, Shape, Shape], dict[str, int]]

EXTRA_KINDS = ("bias", "norm", "relu", "pool")


def rule_of(cell: nn.Cell) -> Rule | None:
    """Return the rule of the nearest base class of ``cell`` that has one."""
    for cls in type(cell).__mro__:
        if cls in _RULES:
            return _RULES[cls]
    return None


def _conv(cell: nn.Cell, source: Shape, target: Shape) -> dict[str, int]:
    # Weight (C_out, C_in / group, *kernel): each output element costs all but the first axis.
    return {"conv": prod(target) * prod(cell.weight.shape[1:]), **_bias(cell, target)}


def _conv_transpose(cell: nn.Cell, source: Shape, target: Shape) -> dict[str, int]:
    # Weight (C_in, C_out / group, *kernel): here each input element costs all but the first axis.
    return {"conv": prod(source) * prod(cell.weight.shape[1:]), **_bias(cell, target)}


def _dense(cell: nn.Cell, source: Shape, target: Shape) -> dict[str, int]:
    return {"linear": prod(target) * cell.in_channels, **_bias(cell, target)}


def _bias(cell: nn.Cell, target: Shape) -> dict[str, int]:
    return {"bias": prod(target)} if cell.has_bias else {}


def _batch_norm(cell: nn.Cell, source: Shape, target: Shape) -> dict[str, int]:
    return {"norm": 2 * prod(target)}


def _relu(cell: nn.Cell, source: Shape, target: Shape) -> dict[str, int]:
    return {"relu": prod(target)}


def _pool(cell: nn.Cell, source: Shape, target: Shape) -> dict[str, int]:
    return {"pool": prod(source)}


def _nothing(cell: nn.Cell, source: Shape, target: Shape) -> dict[str, int]:
    # Lookups and elementwise scales have parameters of several axes, but no matrix product.
    return {}


_RULES: dict[type, Rule] = {
    nn.Conv1d: _conv,
    nn.Conv2d: _conv,
    nn.Conv3d: _conv,
    nn.Conv1dTranspose: _conv_transpose,
    nn.Conv2dTranspose: _conv_transpose,
    nn.Conv3dTranspose: _conv_transpose,
    nn.Dense: _dense,
    nn.BatchNorm1d: _batch_norm,
    nn.BatchNorm2d: _batch_norm,
    nn.BatchNorm3d: _batch_norm,
    nn.SyncBatchNorm: _batch_norm,
    nn.ReLU: _relu,
    nn.ReLU6: _relu,
    nn.MaxPool1d: _pool,
    nn.MaxPool2d: _pool,
    nn.MaxPool3d: _pool,
    nn.AvgPool1d: _pool,
    nn.AvgPool2d: _pool,
    nn.AvgPool3d: _pool,
    nn.AdaptiveAvgPool1d: _pool,
    nn.AdaptiveAvgPool2d: _pool,
    nn.AdaptiveAvgPool3d: _pool,
    nn.AdaptiveMaxPool1d: _pool,
    nn.AdaptiveMaxPool2d: _pool,
    nn.Embedding: _nothing,
    nn.LayerNorm: _nothing,
}
