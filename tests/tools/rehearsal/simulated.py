"""A program to rehearse: one rank compiles a training step; MindSpore only thinks of the others."""

import dataclasses

import audited_models
import mindspore as ms
import numpy as np
from mindspore.communication import get_group_size, get_rank, init
from models import shrunk

from acmix.parallel import World, synchronise_norms
from acmix.tasks import get_task
from acmix.tools.training_step import configured_step
from acmix.workflows.runs import build_model

NAME, SHAPE = "acmix_resnet26", (2, 3, 64, 64)

ms.set_context(mode=ms.GRAPH_MODE)
init()
world = World(get_rank(), get_group_size())
config = audited_models.config(NAME, **shrunk.shallow(NAME))
config = dataclasses.replace(config, train=dataclasses.replace(config.train, amp="O0"))
model = build_model(config, config.model.num_classes)
norms = synchronise_norms(model, "Ascend")
targets = get_task(config.task).random_targets(model, SHAPE, np.random.default_rng(0))
configured_step(config, model, world)([(np.zeros(SHAPE, np.float32), *targets)], 0.1)
print(f"rank {world.rank} of {world.size}: {norms} norms")
