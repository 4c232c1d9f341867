"""Starting a segmenter: from a classifier, from a whole segmenter, from another network's body."""

from __future__ import annotations

import logging

import mindspore as ms
import numpy as np
import pytest
from export.random_weights import draw_anew
from mindspore import Tensor
from workflows.starts import network_of, same, saved, started_by, values

from acmix import create_model
from acmix.config import load_config
from acmix.convert import torch_state, write_state
from acmix.engine import save_weights
from acmix.errors import UserError
from acmix.utils.parameters import set_value
from acmix.workflows.runs import build_model

BODY = {"embed_dim": 8, "depths": (1, 1), "num_heads": (1, 2), "window_size": 4}
KEYS = {
    "upernet": "segmenter.kwargs={channels: 6, auxiliary_channels: 4}",
    "semantic_fpn": "segmenter.kwargs={neck_channels: 8, channels: 6}",
}


@pytest.fixture(autouse=True)
def _pynative():
    ms.set_context(mode=ms.PYNATIVE_MODE)
    yield
    ms.set_context(mode=ms.GRAPH_MODE)


def config(*overrides, head="upernet", body="swin_tiny"):
    kwargs = (
        "{embed_dim: 8, depths: [1, 1], num_heads: [1, 2], window_size: 4, out_indices: [0, 1]}"
    )
    keys = [
        "task=segmentation", f"segmenter.name={head}", KEYS[head], f"model.name={body}",
        f"model.kwargs={kwargs}", "data.name=label_shapes",
    ]  # fmt: skip
    return load_config(None, [*keys, *overrides])


def network(classes=5, seed=0, **names):
    return network_of(config(**names), classes, seed)


def started(file, *overrides, classes=5, **names):
    return started_by(config(f"model.pretrained={file}", *overrides, **names), classes)


def body_of(model):
    return {name for name in values(model) if name.startswith("backbone.")}


@pytest.fixture(params=[pytest.param("ours", marks=pytest.mark.exhaustive), "torch"])
def kind(request):
    return request.param


def test_a_classifier_starts_the_backbone(kind, tmp_path):
    classifier = draw_anew(create_model("swin_tiny", **BODY), np.random.default_rng(3))
    model = started(saved(classifier, tmp_path / "x", kind))
    shared = {f"backbone.{name}" for name in values(classifier)} & set(values(model))
    assert len(shared) > 20
    for name in shared:
        expected = values(classifier)[name.removeprefix("backbone.")]
        np.testing.assert_array_equal(values(model)[name], expected)


@pytest.mark.parametrize("kind", ["ours", "torch"])
def test_a_whole_segmenter_starts_all(kind, tmp_path):
    source = network()
    model = started(saved(source, tmp_path / "x", kind))
    assert same(source, model) == set(values(model))


def test_for_other_classes_the_classifiers_are_new(kind, tmp_path, caplog):
    source = network()
    file = saved(source, tmp_path / "x", kind)
    with pytest.raises(UserError, match=r"conv_seg\.weight.*model\.reset_head=true") as caught:
        started(file, classes=3)
    assert "\n" not in str(caught.value)
    with caplog.at_level(logging.INFO):
        model = started(file, "model.reset_head=true", classes=3)
    assert "with a new classifier of 3 classes" in caplog.text
    new = {name for name in values(model) if ".conv_seg." in name}
    assert len(new) == 4
    assert same(source, model) == set(values(model)) - new
    fresh = draw_anew(build_model(config(), 3), np.random.default_rng(1))
    assert new <= same(fresh, model)


def test_a_file_without_auxiliary_head_leaves_it_new(tmp_path):
    source = network()
    state = {k: v for k, v in torch_state(source).items() if not k.startswith("auxiliary_head")}
    write_state(state, tmp_path / "x.npz")
    model = started(tmp_path / "x.npz")
    auxiliary = {name for name in values(model) if name.startswith("auxiliary_head")}
    assert same(source, model) == set(values(model)) - auxiliary


def test_acmix_starts_exactly_as_a_whole_plain_segmenter(tmp_path, rng):
    source = network().set_train(False)
    file = saved(source, tmp_path / "x", "torch")
    model = started(file, "model.warm_start=exact", body="acmix_swin_tiny").set_train(False)
    images = Tensor(rng.normal(size=(1, 3, 40, 52)).astype(np.float32))
    np.testing.assert_allclose(model(images).asnumpy(), source(images).asnumpy(), atol=1e-5)


@pytest.mark.exhaustive
def test_acmix_starts_exactly_as_a_plain_classifier(tmp_path, rng):
    classifier = draw_anew(create_model("swin_tiny", **BODY), np.random.default_rng(3))
    file = saved(classifier, tmp_path / "x", "ours")
    plain = started(file)
    twin = started(file, "model.warm_start=exact", body="acmix_swin_tiny")
    images = Tensor(rng.normal(size=(1, 3, 40, 52)).astype(np.float32))
    for name, parameter in twin.parameters_and_names():
        if "feature_norms" in name:  # new in both
            set_value(parameter, values(plain)[name])
    for model in (plain, twin):
        model.backbone.set_train(False)
    maps = [model.backbone(images) for model in (plain, twin)]
    for one, other in zip(*maps, strict=True):
        np.testing.assert_allclose(one.asnumpy(), other.asnumpy(), atol=1e-5)


@pytest.mark.parametrize("kind", ["ours", "torch"])
def test_another_networks_backbone_starts_with_the_norms_of_its_maps(kind, tmp_path):
    """A checkpoint of a detector; of PyTorch, a file of mmdetection."""
    source = network()
    path = tmp_path / "x"
    if kind == "ours":
        tensors = {n: p for n, p in source.parameters_and_names() if n.startswith("backbone.")}
        head = {"head.conv.weight": source.decode_head.classifier.conv_seg.weight}
        save_weights(path := path.with_suffix(".ckpt"), tensors | head)
    else:
        state = {n: v for n, v in torch_state(source).items() if n.startswith("backbone.")}
        state |= {"neck.x.weight": np.ones(3), "bbox_head.y.bias": np.ones(2)}
        write_state(state, path := path.with_suffix(".npz"))
    model = started(path)
    assert "backbone.feature_norms.0.gamma" in body_of(model)
    assert same(source, model) == body_of(model)


def test_a_new_classifier_in_place_of_none_is_a_mistake(tmp_path):
    file = saved(create_model("swin_tiny", **BODY), tmp_path / "x", "ours")
    with pytest.raises(UserError, match=r"model\.reset_head=true: .*x\.ckpt holds no head of uper"):
        started(file, "model.reset_head=true")


@pytest.mark.exhaustive
def test_another_head_is_refused_by_its_tensors(kind, tmp_path):
    file = saved(network(head="semantic_fpn"), tmp_path / "x", kind)
    with pytest.raises(UserError, match=r"x\.(ckpt|npz).* does not fit.*missing: decode_head"):
        started(file)
