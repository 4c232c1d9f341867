"""Parts of a backbone that are not trained."""

from __future__ import annotations

from collections.abc import Iterator

from mindspore import nn

from acmix.errors import check
from acmix.layers.drop_path import DropPath
from acmix.models.backbone import Backbone


def freeze_stages(backbone: Backbone, count: int) -> None:
    """Freeze the stem and the first ``count`` stages; with 0 nothing is frozen.

    Their parameters get ``requires_grad=False``, their norms keep and use the running statistics,
    and no branch is dropped. ``set_train`` changes none of that. To be called before the optimizer
    is made and the network compiled.

    Args:
        backbone: is changed in place.
        count: mmdetection's ``frozen_stages``, but for -1, which is 0 here.

    Raises:
        UserError: the backbone has fewer stages.
    """
    stages = len(backbone.stages)
    check(
        0 <= count <= stages,
        f"frozen_stages must be between 0 and the backbone's {stages} stages, got {count}.",
    )
    if count == 0:
        return
    for cell in [*_stem(backbone), *list(backbone.stages)[:count]]:
        for parameter in cell.get_parameters():
            parameter.requires_grad = False
        freeze_norm(cell)
        _keep_branches(cell)


def freeze_norm(network: nn.Cell) -> None:
    """Let every BatchNorm use its running statistics in training too, and keep them.

    mmdetection's ``norm_eval``: scale and offset are trained unless their stage is frozen.
    """
    for _, cell in network.cells_and_names():
        if isinstance(cell, nn.BatchNorm2d):
            cell.use_batch_statistics = False


def _stem(backbone: Backbone) -> Iterator[nn.Cell]:
    """The Cells before the stages, in the order in which every family makes them."""
    for name, cell in backbone.name_cells().items():
        if name == "stages":
            return
        yield cell


def _keep_branches(stage: nn.Cell) -> None:
    for _, parent in list(stage.cells_and_names()):
        for name, cell in parent.name_cells().items():
            if isinstance(cell, DropPath):
                setattr(parent, name, DropPath(0.0))
