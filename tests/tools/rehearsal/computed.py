"""A program to rehearse with numbers: ``computed.py KIND NAME AMP FOLDER``.

KIND ``inference`` runs the network as it is deployed, ``training`` takes one step of a configured
run, and a second one, which shows what the first did. Run it on the CPU first: it leaves its random
parameters in FOLDER, which the next run takes. Each leaves its outputs in ``FOLDER/TARGET.npz``.
"""

import dataclasses
import sys
from pathlib import Path

import audited_models
import mindspore as ms
import numpy as np
from models import shrunk

from acmix.export.fusion import fuse
from acmix.tasks import get_task
from acmix.tools.training_step import configured_step
from acmix.workflows.runs import build_model

LEARNING_RATE = 1e-3
SIZES = {"classification": (64, 64)}
DENSE_SIZE = (64, 96)


def configuration(name, amp):
    """Return the configuration of ``name`` with no more blocks than there are kinds of them."""
    body = audited_models.config(name).model.name
    config = audited_models.config(name, **shrunk.shallow(body))
    return dataclasses.replace(config, train=dataclasses.replace(config.train, amp=amp))


def shape_of(config):
    return (2, 3, *SIZES.get(config.task, DENSE_SIZE))


def shared(cell, file):
    """Give ``cell`` the parameters in a file; write the file if there is none."""
    parameters = {one.name: one for one in cell.get_parameters()}
    if file.is_file():
        with np.load(file) as kept:
            for name, parameter in parameters.items():
                parameter.set_data(ms.Tensor(kept[name], parameter.dtype))
    else:
        np.savez(file, **{name: one.asnumpy() for name, one in parameters.items()})


def inference(name, amp, file):
    config = configuration(name, amp)
    model = build_model(config, config.model.num_classes)
    model.set_train(False)
    shared(model, file)
    network = get_task(config.task).deployed(fuse(model))
    images = np.random.default_rng(1).standard_normal(shape_of(config)).astype(np.float32)
    outputs = network(ms.Tensor(images))
    outputs = outputs if isinstance(outputs, tuple) else (outputs,)
    return {f"output{i}": output.asnumpy() for i, output in enumerate(outputs)}


def training(name, amp, file):
    config = configuration(name, amp)
    model = build_model(config, config.model.num_classes)
    shared(model, file)
    rng = np.random.default_rng(1)
    shape = shape_of(config)
    targets = get_task(config.task).random_targets(model, shape, rng)
    batch = (rng.standard_normal(shape).astype(np.float32), *targets)
    step = configured_step(config, model)
    first = step([batch], LEARNING_RATE)
    found = {f"loss{i}": loss.asnumpy() for i, loss in enumerate(first.losses)}
    found["grad_norm"] = first.grad_norm.asnumpy()
    found["finite"] = first.finite.asnumpy()
    for one in step.optimizer.get_parameters():
        found[f"state {one.name}"] = one.asnumpy().copy()  # the second step updates it in place
    second = step([batch], LEARNING_RATE)
    return found | {f"second loss{i}": loss.asnumpy() for i, loss in enumerate(second.losses)}


if __name__ == "__main__":
    kind, name, amp, folder = sys.argv[1:]
    ms.set_context(mode=ms.GRAPH_MODE)
    ms.set_seed(0)
    place = Path(folder)
    found = {"inference": inference, "training": training}[kind](name, amp, place / "start.npz")
    np.savez(place / f"{ms.get_context('device_target')}.npz", **found)
