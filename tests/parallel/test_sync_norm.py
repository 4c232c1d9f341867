"""BatchNorm over all devices: where it is refused, and what becomes of a network."""

import numpy as np
import pytest
from mindspore import nn

from acmix.errors import UserError
from acmix.models import create_model
from acmix.models.freeze import freeze_norm
from acmix.parallel import synchronise_norms
from acmix.utils.parameters import set_value


class SyncBatchNorm(nn.BatchNorm2d):
    """In place of MindSpore's, which cannot be made without Ascend."""

    def __init__(self, num_features, eps, momentum):
        super().__init__(num_features, eps, momentum)


@pytest.fixture
def network(monkeypatch):
    monkeypatch.setattr(nn, "SyncBatchNorm", SyncBatchNorm)
    network = create_model("acmix_resnet26", num_classes=3, width=8, depths=(1,))
    for norm in norms(network):
        set_value(norm.moving_mean, np.arange(norm.num_features))
    return network


def norms(network):
    return [cell for _, cell in network.cells_and_names() if isinstance(cell, nn.BatchNorm2d)]


def test_devices_without_the_operator_are_refused():
    with pytest.raises(UserError, match="on Ascend only, not on CPU"):
        synchronise_norms(nn.BatchNorm2d(3), "CPU")


def test_all_norms_are_replaced_with_parameters_names_and_settings_kept(network):
    before = {p.name: (p.asnumpy().copy(), p.requires_grad) for p in network.get_parameters()}
    settings = [(norm.num_features, norm.eps, norm.momentum) for norm in norms(network)]
    assert synchronise_norms(network, "Ascend") == len(settings) > 3
    replaced = norms(network)
    assert all(type(norm) is SyncBatchNorm for norm in replaced)
    after = [(norm.num_features, norm.eps, norm.momentum) for norm in replaced]
    assert np.array(sorted(after)) == pytest.approx(np.array(sorted(settings)))
    parameters = {p.name: p for p in network.get_parameters()}
    assert parameters.keys() == before.keys()
    for name, (value, trained) in before.items():
        np.testing.assert_array_equal(parameters[name].asnumpy(), value, err_msg=name)
        assert parameters[name].requires_grad == trained


def test_frozen_norms_stay(network):
    freeze_norm(network)
    assert synchronise_norms(network, "Ascend") == 0


def test_a_norm_of_several_places_stays_one(monkeypatch):
    monkeypatch.setattr(nn, "SyncBatchNorm", SyncBatchNorm)
    norm = nn.BatchNorm2d(4)
    network = nn.SequentialCell(norm, nn.ReLU(), norm)
    assert synchronise_norms(network, "Ascend") == 1
    assert network[0] is network[2]
    assert type(network[0]) is SyncBatchNorm
