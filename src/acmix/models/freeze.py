"""Parts of a network that are not trained."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase

from mindspore import nn

from acmix.errors import check, suggest
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


def freeze_parameters(network: nn.Cell, patterns: Sequence[str]) -> None:
    """Freeze the parameters whose names match; without patterns nothing is frozen.

    They get ``requires_grad=False``. A BatchNorm whose scale and offset are frozen keeps and uses
    its running statistics. To be called before the optimizer is made and the network compiled.

    Args:
        network: is changed in place.
        patterns: as of a shell, for names as in checkpoints: ``stages.[01].*``, ``*.attn.*``.

    Raises:
        UserError: a pattern matches no trainable parameter, or nothing is left to train.
    """
    names = [parameter.name for parameter in network.trainable_params()]
    for pattern in patterns:
        tops = dict.fromkeys(name.partition(".")[0] for name in names)
        check(
            any(fnmatchcase(name, pattern) for name in names),
            f"model.freeze: '{pattern}' matches no trainable parameter. Names begin with "
            f"{', '.join(tops)}; a pattern ends with .* for all below.{suggest(pattern, names)}",
        )
    frozen = {name for name in names for pattern in patterns if fnmatchcase(name, pattern)}
    check(
        not patterns or len(frozen) < len(names),
        f"model.freeze: {', '.join(patterns)} leaves nothing to train.",
    )
    for parameter in network.trainable_params():
        if parameter.name in frozen:
            parameter.requires_grad = False
    for _, cell in network.cells_and_names():
        if isinstance(cell, nn.BatchNorm2d) and {cell.gamma.name, cell.beta.name} <= frozen:
            cell.use_batch_statistics = False


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
