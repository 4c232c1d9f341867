"""Networks by name start from any file: all of it, all but a classifier, or the backbone."""

from __future__ import annotations

import inspect

import mindspore as ms
import numpy as np
import pytest
from export.random_weights import draw_anew
from mindspore import Tensor
from workflows.starts import same, saved, values

import acmix
from acmix.errors import UserError

SWIN = {"embed_dim": 6, "depths": (1, 1), "num_heads": (1, 2), "window_size": 4, "patch_size": 2}
BODY = {**SWIN, "out_indices": (0, 1)}
HEADS = {
    "detector": (acmix.create_detector, "retinanet_swin_tiny", {"channels": 4}),
    "segmenter": (acmix.create_segmenter, "upernet_swin_tiny", {"channels": 4}),
}


@pytest.fixture(autouse=True)
def _pynative():
    ms.set_context(mode=ms.PYNATIVE_MODE)
    yield
    ms.set_context(mode=ms.GRAPH_MODE)


@pytest.fixture(params=["ours", "torch"])
def classifier(request, tmp_path):
    """A plain Swin of 3 classes, and a file of its weights, of either kind."""
    model = draw_anew(acmix.create_model("swin_tiny", num_classes=3, **SWIN), seeded(0))
    return model, saved(model, tmp_path / "swin", request.param)


def seeded(seed):
    return np.random.default_rng(seed)


def test_a_file_says_how_many_classes_there_are(classifier):
    model, file = classifier
    loaded = acmix.create_model("swin_tiny", pretrained=file, **SWIN)
    assert loaded.num_classes == 3
    assert same(model, loaded) == set(values(model))


def test_another_number_of_classes_makes_a_new_classifier(classifier):
    model, file = classifier
    loaded = acmix.create_model("swin_tiny", num_classes=4, pretrained=file, **SWIN)
    assert loaded.head.weight.shape == (4, 12)
    assert same(model, loaded) == set(values(model)) - {"head.weight", "head.bias"}


def test_as_many_classes_are_the_files_unless_the_head_is_reset(classifier):
    model, file = classifier
    arguments = {"num_classes": 3, "pretrained": str(file), **SWIN}
    assert "head.weight" in same(model, acmix.create_model("swin_tiny", **arguments))
    reset = acmix.create_model("swin_tiny", reset_head=True, **arguments)
    assert same(model, reset) >= set(values(model)) - {"head.weight", "head.bias"}
    assert "head.weight" not in same(model, reset)


@pytest.mark.parametrize("arguments", [{"features_only": True, "out_indices": (-1,)},
                                       {"num_classes": 0}])  # fmt: skip
def test_a_classifier_starts_a_backbone(classifier, arguments):
    model, file = classifier
    body = acmix.create_model("swin_tiny", pretrained=file, **arguments, **SWIN)
    names = {name for name in values(body) if not name.startswith("feature_norms")}
    assert "stages.1.blocks.0.attn.qkv.weight" in names
    assert same(model, body) >= names


def test_an_acmix_twin_starts_exactly(classifier):
    model, file = classifier
    twin = acmix.create_model("acmix_swin_tiny", pretrained=file, warm_start="exact", **SWIN)
    images = Tensor(seeded(1).normal(size=(1, 3, 20, 12)).astype(np.float32))
    expected = model.set_train(False)(images).asnumpy()
    np.testing.assert_allclose(twin.set_train(False)(images).asnumpy(), expected, atol=1e-5)
    with pytest.raises(UserError, match=r"^pretrained=\S+swin.* from its plain one, warm_start=ex"):
        acmix.create_model("acmix_swin_tiny", pretrained=file, **SWIN)


@pytest.mark.parametrize("kind", HEADS)
def test_a_classifier_starts_the_backbone_of_a_head(kind, classifier):
    model, file = classifier
    create, name, arguments = HEADS[kind]
    network = create(name, pretrained=file, in_channels=3, backbone=BODY, **arguments)
    names = {name for name in values(model) if not name.startswith(("head", "norm"))}
    assert (
        same(model, network.backbone) >= {f"backbone.{name}" for name in names}
        or {name.removeprefix("backbone.") for name in values(network)} >= names
    )
    ours, theirs = values(model), values(network)
    for name in names:
        np.testing.assert_array_equal(ours[name], theirs[f"backbone.{name}"], err_msg=name)


@pytest.mark.parametrize("kind", HEADS)
def test_a_head_starts_from_its_own_file(kind, tmp_path):
    create, name, arguments = HEADS[kind]
    arguments = {"in_channels": 1, "backbone": BODY, **arguments}
    source = draw_anew(create(name, num_classes=5, **arguments), seeded(0))
    file = saved(source, tmp_path / "head", "ours")
    loaded = create(name, pretrained=file, **arguments)
    assert loaded.num_classes == 5
    assert same(source, loaded) == set(values(source))
    other = create(name, pretrained=file, num_classes=4, **arguments)
    new = {parameter.name for parameter in other.classifier_parameters()}
    assert same(source, other) == set(values(other)) - new


def test_drop_path_reaches_the_backbone_of_a_head():
    create, name, arguments = HEADS["segmenter"]
    network = create(name, drop_path_rate=0.25, backbone=BODY, **arguments)
    assert network.backbone.stages[1].blocks[0].drop_path.keep == 0.75


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"pretrained": "nowhere.ckpt"}, "nowhere.ckpt"),
        ({"warm_start": "exact"}, "name a file"),
        ({"reset_head": True}, "name a file"),
        ({"pretrained_key": "ema"}, "name a file"),
        ({"pretrained": "x.ckpt", "warm_start": "exactly"}, "Did you mean 'exact'"),
        ({"num_clases": 3}, "Did you mean 'num_classes'"),
    ],
)
def test_what_cannot_be_is_refused(arguments, message):
    with pytest.raises(UserError, match=message):
        acmix.create_model("swin_tiny", **arguments)


def test_the_signature_tells_what_every_model_takes():
    known = set(inspect.signature(acmix.create_model).parameters)
    assert known >= {"num_classes", "in_channels", "drop_path_rate", "features_only", "out_indices"}
    for name in known - {"kwargs"}:
        assert f"{name}:" in acmix.create_model.__doc__, name
