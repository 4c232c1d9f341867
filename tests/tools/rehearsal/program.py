"""What a rehearsal of an architecture runs: ``program.py KIND NAME AMP DTYPE FOLDER``.

KIND ``inference`` runs the network as ``acmix export`` deploys it, ``training`` takes two steps of
a configured run: the second shows what the first did. Run it on the CPU first: it leaves its random
parameters in FOLDER, and the next run takes them. Each leaves ``FOLDER/TARGET.npz``. AMP and DTYPE
are ``train.amp`` and ``train.amp_dtype``; the CPU, which has no bfloat16, computes in float32.
"""

import dataclasses
import sys
import zlib
from pathlib import Path

import audited_models
import mindspore as ms
import numpy as np
from models import shrunk

from acmix.export.fusion import fuse
from acmix.tasks import get_task
from acmix.tools.training_step import configured_step
from acmix.utils.parameters import set_value
from acmix.workflows.runs import build_model

LEARNING_RATE = 1e-3
SCALE = 2.0**8
SMALL = {"float32": 2.0**-20, "float16": 2.0**-10}
"""Changes of images that move a gradient as far as the roundings of a network's operators do."""
DRAWS = 12


def configuration(name, amp, dtype):
    """Return the configuration of ``name`` with no more blocks than there are kinds of them."""
    if dtype == "bfloat16" and ms.get_context("device_target") == "CPU":
        amp, dtype = "O0", "float16"
    body = audited_models.config(name).model.name
    config = audited_models.config(name, **shrunk.shallow(body))
    train = dataclasses.replace(config.train, amp=amp, amp_dtype=dtype)
    return dataclasses.replace(config, train=train)


def shape_of(name, config):
    """Return (B, C, H, W); small, as attention over all places takes memory.

    UPerNet pools images to one pixel, whose BatchNorm needs more than two of them.
    """
    channels, *_ = get_task(config.task).image_shape(config)
    dense = name in audited_models.HEADED
    size = 4 if name in audited_models.SEGMENTERS else 2
    return (size, channels, *((96, 128) if dense else (96, 96)))


def shared(cell, file):
    """Give ``cell`` the parameters in a file; write the file if there is none.

    Biases and statistics are random, too: zeros would hide them, and detectors would find nothing.
    """
    if not file.is_file():
        np.savez(file, **{one.name: _drawn(one) for one in cell.get_parameters()})
    with np.load(file) as kept:
        for parameter in cell.get_parameters():
            parameter.set_data(ms.Tensor(kept[parameter.name], parameter.dtype))


def _drawn(parameter):
    value = parameter.asnumpy().copy()
    draw = np.random.default_rng(zlib.crc32(parameter.name.encode())).standard_normal
    last = parameter.name.rsplit(".", 1)[-1]
    if value.ndim == 1 and last in ("bias", "beta", "moving_mean"):
        return (0.1 * draw(value.shape)).astype(value.dtype)
    if last == "moving_variance":
        return np.exp(0.1 * draw(value.shape)).astype(value.dtype)
    return value


def inference(config, name, file):
    """Return the outputs, in their order."""
    model = build_model(config, config.model.num_classes)
    model.set_train(False)
    shared(model, file)
    network = get_task(config.task).deployed(fuse(model))
    images = np.random.default_rng(1).standard_normal(shape_of(name, config)).astype(np.float32)
    outputs = network(ms.Tensor(images))
    outputs = outputs if isinstance(outputs, tuple) else (outputs,)
    return {f"{i}": output.asnumpy() for i, output in enumerate(outputs)}


def training(config, name, file):
    """Return losses of two steps, the norm of the gradient, and the optimizer's state between.

    On CPU also the same for images with :data:`SMALL` changes, some times, ``own 0 ...``: a ReLU or
    a maximum may turn for the smallest difference, and the gradient with it.
    """
    model = build_model(config, config.model.num_classes)
    shared(model, file)
    rng, shape = np.random.default_rng(1), shape_of(name, config)
    targets = get_task(config.task).random_targets(model, shape, rng)
    images = rng.standard_normal(shape).astype(np.float32)
    # Of another brightness each: CANN's BatchNorm computes a variance as a difference of two sums,
    # which loses digits where values hardly differ, as those of images pooled to one pixel.
    images += np.arange(len(images), dtype=np.float32).reshape(-1, 1, 1, 1)
    step = configured_step(config, model)
    if step.scaler is not None:  # the first scale of a run may be too large
        step.scaler.scale_value.set_data(ms.Tensor(SCALE, ms.float32))
    before = {one: one.asnumpy().copy() for one in parameters_of(step)}
    found = two_steps(step, (images, *targets))
    if ms.get_context("device_target") == "CPU":
        for draw in range(DRAWS):
            for parameter, value in before.items():
                set_value(parameter, value)
            again = two_steps(step, (images * nearly_one(shape, config.train, rng), *targets))
            found |= {f"own {draw} {name}": value for name, value in again.items()}
    return found


def two_steps(step, batch):
    """Return what :func:`training` returns of one device."""
    first = step([batch], LEARNING_RATE)
    found = {"norm": first.grad_norm.asnumpy(), "finite": first.finite.asnumpy()}
    found |= {f"loss {i}": loss.asnumpy() for i, loss in enumerate(first.losses)}
    found |= state_of(step)
    second = step([batch], LEARNING_RATE)
    return found | {f"second loss {i}": loss.asnumpy() for i, loss in enumerate(second.losses)}


def nearly_one(shape, train, rng):
    """Return factors that differ from 1 by :data:`SMALL`."""
    change = SMALL["float32" if train.amp == "O0" else train.amp_dtype]
    return rng.choice([1 - change, 1 + change], shape).astype(np.float32)


def parameters_of(step):
    return [*step.network.get_parameters(), *step.optimizer.get_parameters()]


def state_of(step):
    """Copy the optimizer's state, which the next step updates in place."""
    return {one.name: one.asnumpy().copy() for one in step.optimizer.get_parameters()}


if __name__ == "__main__":
    kind, name, amp, dtype, folder = sys.argv[1:]
    ms.set_context(mode=ms.GRAPH_MODE)
    ms.set_seed(0)
    place = Path(folder)
    config = configuration(name, amp, dtype)
    run = {"inference": inference, "training": training}[kind]
    results = run(config, name, place / "start.npz")
    np.savez(place / f"{ms.get_context('device_target')}.npz", **results)
