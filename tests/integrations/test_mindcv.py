"""Registration in mindcv, and in a stand-in for it where it is not installed."""

from __future__ import annotations

import importlib
import importlib.util
import sys
import types

import mindspore as ms
import numpy as np
import pytest

import acmix
from acmix.errors import UserError
from acmix.utils.parameters import get_value
from acmix.workflows.weights import save_model

MODULE = "acmix.integrations.mindcv"
SMALL = {"embed_dim": 8, "depths": (1, 1), "num_heads": (1, 2), "window_size": 4}


@pytest.fixture
def fresh():
    """Import the module anew in this test, and forget it afterwards."""
    sys.modules.pop(MODULE, None)
    yield lambda: importlib.import_module(MODULE)
    sys.modules.pop(MODULE, None)


@pytest.fixture
def registry(monkeypatch):
    """A registry with mindcv's two functions that knows a resnet50 of its own."""
    models = {"resnet50": "mindcv's own"}
    module = types.ModuleType("mindcv.models.registry")
    module.is_model = models.__contains__
    module.register_model = lambda function: models.setdefault(function.__name__, function)
    monkeypatch.setitem(sys.modules, "mindcv", types.ModuleType("mindcv"))
    monkeypatch.setitem(sys.modules, "mindcv.models", types.ModuleType("mindcv.models"))
    monkeypatch.setitem(sys.modules, "mindcv.models.registry", module)
    return models


def test_every_name_that_is_free_is_registered(registry, fresh):
    module = fresh()
    assert registry.keys() == set(acmix.list_models())
    assert registry["resnet50"] == "mindcv's own"
    assert set(module.REGISTERED) == registry.keys() - {"resnet50"}


def test_registered_functions_make_the_model_of_their_own_name(registry, fresh):
    fresh()
    plain, mixed = (
        registry[name](pretrained=False, num_classes=3, in_channels=1, **SMALL)
        for name in ("swin_tiny", "acmix_swin_tiny")
    )
    assert plain.stages[0].blocks[0].attn.conv_path is None
    assert mixed.stages[0].blocks[0].attn.conv_path is not None
    assert mixed(ms.Tensor(np.zeros((1, 1, 32, 32), np.float32))).shape == (1, 3)


def test_weights_that_nobody_published_are_not_promised(registry, fresh):
    fresh()
    with pytest.raises(UserError, match=r"acmix_resnet26 are published; give checkpoint_path"):
        registry["acmix_resnet26"](pretrained=True, num_classes=3)


def test_without_mindcv_the_remedy_is_named(monkeypatch, fresh):
    monkeypatch.setitem(sys.modules, "mindcv", None)
    with pytest.raises(ImportError, match="pip install mindcv"):
        fresh()


@pytest.mark.skipif(importlib.util.find_spec("mindcv") is None, reason="mindcv is not installed")
def test_mindcv_itself_makes_our_models_and_loads_our_checkpoints(fresh, tmp_path):
    import mindcv

    own = mindcv.models.registry.model_entrypoint("resnet50")
    fresh()
    assert set(acmix.list_models("acmix_*")) <= set(mindcv.list_models())
    assert mindcv.models.registry.model_entrypoint("resnet50") is own
    model = acmix.create_model("acmix_swin_tiny", **SMALL, num_classes=3)
    save_model(model, tmp_path / "swin.ckpt")
    arguments = {"num_classes": 3, "checkpoint_path": str(tmp_path / "swin.ckpt"), **SMALL}
    loaded = mindcv.create_model("acmix_swin_tiny", **arguments)
    for ours, theirs in zip(model.get_parameters(), loaded.get_parameters(), strict=True):
        np.testing.assert_array_equal(get_value(ours), get_value(theirs), err_msg=ours.name)
    maps = mindcv.create_model("acmix_swin_tiny", features_only=True, out_indices=[1], **SMALL)
    assert maps(ms.Tensor(np.zeros((1, 3, 32, 32), np.float32)))[0].shape == (1, 16, 4, 4)
