"""BatchNorm over the batches of all devices."""

from __future__ import annotations

from mindspore import nn

from acmix.errors import check
from acmix.utils.cells import places_of, replace_child


def synchronise_norms(network: nn.Cell, device: str) -> int:
    """Replace every BatchNorm that uses batch statistics by one over all devices.

    Call it before making the optimizer and compiling the network. Parameters keep their names.

    Args:
        network: changed in place.
        device: the device target.

    Returns:
        The number of replaced BatchNorms.

    Raises:
        UserError: MindSpore has no such operator for ``device``.
    """
    check(
        device == "Ascend",
        f"train.sync_batch_norm=true: MindSpore synchronises BatchNorm on Ascend only, not on "
        f"{device}; set it to false. Every device then normalises with its own batch, so take "
        "data.batch_size of at least 16.",
    )
    norms = [
        cell
        for _, cell in network.cells_and_names()
        if type(cell) is nn.BatchNorm2d and cell.use_batch_statistics is not False
    ]
    for norm in norms:
        synchronised = _synchronised(norm)
        for parent, attribute in places_of(norm, network):
            replace_child(parent, attribute, synchronised)
    return len(norms)


def _synchronised(norm: nn.BatchNorm2d) -> nn.Cell:
    synchronised = nn.SyncBatchNorm(norm.num_features, eps=norm.eps, momentum=1 - norm.momentum)
    for name in ("moving_mean", "moving_variance", "gamma", "beta"):
        setattr(synchronised, name, getattr(norm, name))
    return synchronised.set_train(norm.training)
