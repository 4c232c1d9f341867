"""What a count of launches runs: ``one_call.py KIND NAME SIDE``, on the stand-in.

KIND ``inference`` calls the network as ``acmix export`` deploys it on one image of SIDE x SIDE,
``training`` takes a step of mixed precision with AdamW on two. Networks have their full size. The
calls of what comes before, parameters and a first call, do not count.
"""

import os
import sys
from pathlib import Path

import audited_models
import mindspore as ms
import numpy as np

from acmix.config import ClassificationConfig, ClassificationDataConfig, ModelConfig
from acmix.export.fusion import fuse
from acmix.tasks import get_task
from acmix.tools.bench.models import create_network
from acmix.tools.rehearsal.recordings import FOLDER, start_counting
from acmix.tools.training_step import configured_step
from acmix.workflows.runs import build_model


def inference(name, side):
    network = create_network(name)
    for parameter in network.get_parameters():  # as trained: a bias of zeros would be left out
        if parameter.ndim == 1:
            parameter.set_data(ms.Tensor(np.full(parameter.shape, 0.1), parameter.dtype))
    network = fuse(network)
    images = ms.Tensor(np.zeros((1, 3, side, side), np.float32))
    return lambda: network(images)


def training(name, side):
    config = ClassificationConfig(
        model=ModelConfig(name=name, num_classes=1000),
        data=ClassificationDataConfig(image_size=side),
        **audited_models.TRAINING,
    )
    model = build_model(config, config.model.num_classes)
    shape = (2, 3, side, side)
    targets = get_task(config.task).random_targets(model, shape, np.random.default_rng(1))
    step = configured_step(config, model)
    batch = (np.zeros(shape, np.float32), *targets)
    return lambda: step([batch], 1e-3)


if __name__ == "__main__":
    kind, name, side = sys.argv[1:]
    ms.set_context(mode=ms.GRAPH_MODE)
    call = {"inference": inference, "training": training}[kind](name, int(side))
    call()
    ms.runtime.synchronize()
    start_counting(Path(os.environ[FOLDER]))
    call()
    ms.runtime.synchronize()
