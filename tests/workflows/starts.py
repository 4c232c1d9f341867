"""Networks that start from a file of weights: how tests write the file, start, and compare."""

from __future__ import annotations

import numpy as np
from export.random_weights import draw_anew

from acmix.convert import torch_state, write_state
from acmix.utils.parameters import get_value
from acmix.workflows.pretrained import load_pretrained
from acmix.workflows.runs import build_model
from acmix.workflows.weights import save_model


def network_of(run, classes, seed=0):
    """Return the network of a configuration with weights that a seed decides."""
    return draw_anew(build_model(run, classes), np.random.default_rng(seed))


def saved(model, path, kind):
    """Write weights as a checkpoint, or under the official names as PyTorch has them."""
    if kind == "ours":
        save_model(model, path := path.with_suffix(".ckpt"))
    else:
        write_state(torch_state(model), path := path.with_suffix(".npz"))
    return path


def started_by(run, classes):
    """Return the network of a configuration, other weights replaced by its ``pretrained``."""
    model = network_of(run, classes, seed=1)
    load_pretrained(run, model)
    return model


def values(model):
    return {
        p.name: get_value(p) for p in model.get_parameters() if not p.name.endswith("random_state")
    }


def same(one, other):
    """Return the names of parameters that are equal in two networks."""
    one, other = values(one), values(other)
    return {k for k in one.keys() & other.keys() if np.array_equal(one[k], other[k])}
