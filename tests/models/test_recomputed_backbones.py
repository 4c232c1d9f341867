"""Blocks computed again in the backward pass, in classifiers and under dense heads."""

import mindspore as ms
import numpy as np
import pytest
from models import shrunk
from models.detection.small_detector import small_detector
from models.segmentation.small_segmenter import small_segmenter

from acmix.models import create_model
from acmix.tasks import get_task
from acmix.tools.training_step import configured_step
from acmix.utils.modes import execution_mode
from acmix.workflows.runs import named_config

SIZE = 48


def classifier(name):
    return create_model(name, num_classes=5, drop_path_rate=0.5, **shrunk.shallow(name))


NETWORKS = {
    # BatchNorms and random numbers in blocks, and blocks that pass on two values.
    **{
        name: lambda name=name: classifier(name)
        for name in ("acmix_resnet26", "acmix_swin_base", "acmix_conformer_tiny")
    },
    "retinanet_acmix_pvt_tiny": lambda: small_detector(
        "acmix_pvt_tiny", shrunk.shallow("acmix_pvt_tiny")
    ),
    "semantic_fpn_acmix_resnet26": lambda: small_segmenter("semantic_fpn_acmix_resnet26"),
}


def trained(name, recompute):
    """Return losses and all parameters after two steps."""
    config = named_config(name, ["optim.name=sgd", f"train.recompute={str(recompute).lower()}"])
    ms.set_seed(0)
    network = NETWORKS[name]()
    shrunk.show_all(network)
    rng = np.random.default_rng(0)
    shape = (2, 3, SIZE, SIZE)
    batch = (
        rng.normal(size=shape).astype(np.float32),
        *get_task(config.task).random_targets(network, shape, rng),
    )
    with execution_mode(ms.GRAPH_MODE):
        step = configured_step(config, network)
        losses = [float(step([batch], 0.01).losses[0]) for _ in range(2)]
    return {"losses": np.array(losses)} | {p.name: p.asnumpy() for p in network.get_parameters()}


@pytest.mark.exhaustive  # two compilations of each
@pytest.mark.parametrize("name", NETWORKS)
def test_training_is_that_without(name):
    plain, again = trained(name, False), trained(name, True)
    assert plain.keys() == again.keys()
    for key, values in plain.items():
        scale = max(np.abs(values).max(), 1e-3)
        assert np.abs(again[key] - values).max() <= 1e-4 * scale, key
