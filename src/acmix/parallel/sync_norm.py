"""BatchNorm over the batches of all devices."""

from __future__ import annotations

from mindspore import nn

from acmix.errors import check


def synchronise_norms(network: nn.Cell, device: str) -> int:
    """Let every BatchNorm that uses batch statistics take them over all devices.

    To be called before the optimizer is made and the network compiled. Parameters are kept, with
    their names.

    Args:
        network: is changed in place.
        device: the device target.

    Returns:
        How many there were.

    Raises:
        UserError: MindSpore has no such operator for ``device``.
    """
    check(
        device == "Ascend",
        f"train.sync_batch_norm=true: MindSpore synchronises BatchNorm on Ascend only, not on "
        f"{device}; set it to false. Every device then normalises with its own batch, so take "
        "data.batch_size of at least 16.",
    )
    count = 0
    for _, parent in list(network.cells_and_names()):
        for position, (attribute, cell) in enumerate(list(parent.name_cells().items())):
            if type(cell) is not nn.BatchNorm2d or cell.use_batch_statistics is False:
                continue
            names = [parameter.name for parameter in cell.get_parameters()]
            twin = _synchronised(cell)
            if isinstance(parent, (nn.SequentialCell, nn.CellList)):
                parent[position] = twin
            else:
                setattr(parent, attribute, twin)
            # Putting a Cell into another prefixes the names anew.
            for parameter, name in zip(cell.get_parameters(), names, strict=True):
                parameter.name = name
            count += 1
    return count


def _synchronised(norm: nn.BatchNorm2d) -> nn.Cell:
    twin = nn.SyncBatchNorm(norm.num_features, eps=norm.eps, momentum=1 - norm.momentum)
    for name in ("moving_mean", "moving_variance", "gamma", "beta"):
        setattr(twin, name, getattr(norm, name))
    return twin.set_train(norm.training)
