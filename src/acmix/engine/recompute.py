"""Recomputation (gradient checkpointing): the backward pass computes blocks again.

Chen et al., "Training Deep Nets with Sublinear Memory Cost", arXiv:1604.06174. Between the two
passes only what enters a block is kept.
"""

from __future__ import annotations

from mindspore import nn


def recompute_blocks(network: nn.Cell) -> None:
    """Compute the blocks of every backbone in ``network`` again in the backward pass.

    To be called before the network is compiled; graph mode only.

    A BatchNorm is left out: computed again it would count the batch twice in its running
    statistics. What it puts out is kept instead. Random numbers are left out by
    :func:`acmix.ops.random.draw`.

    Args:
        network: Cells of it that have ``all_blocks()`` are changed in place, see
            :meth:`acmix.models.Backbone.all_blocks`.
    """
    for _, cell in list(network.cells_and_names()):
        if hasattr(cell, "all_blocks"):
            for block in cell.all_blocks():
                _recompute(block)


def _recompute(block: nn.Cell) -> None:
    for _, cell in block.cells_and_names():
        if isinstance(cell, nn.BatchNorm2d):
            cell.bn_train.recompute(False)
    block.recompute()
