"""Starting a detector: from a whole detector, from another one's body, exactly as a plain twin."""

from __future__ import annotations

import logging

import mindspore as ms
import numpy as np
import pytest
from export.random_weights import draw_anew
from golden_arrays import load
from mindspore import Tensor
from models.detection.golden_detectors import golden_detector, inputs
from workflows.starts import network_of, same, saved, started_by, values

from acmix.config import load_config
from acmix.errors import UserError
from acmix.workflows.runs import build_model

HEADS = ("mask_rcnn", "cascade_mask_rcnn", "retinanet")
BODY = "embed_dim: 8, depths: [1, 1], num_heads: [1, 2], window_size: 4, out_indices: [0, 1]"


@pytest.fixture(autouse=True)
def _pynative():
    ms.set_context(mode=ms.PYNATIVE_MODE)
    yield
    ms.set_context(mode=ms.GRAPH_MODE)


def config(*overrides, head="mask_rcnn", body="swin_tiny", kwargs=BODY, sizes="channels: 4"):
    masks = "rcnn" in head
    if masks and sizes == "channels: 4":
        sizes += ", fc_channels: 6, mask_channels: 4"
    keys = [
        "task=detection", f"detector.name={head}", f"detector.kwargs={{{sizes}}}",
        f"model.name={body}", f"model.kwargs={{{kwargs}}}", "data.name=shapes",
        f"data.masks={str(masks).lower()}",
    ]  # fmt: skip
    return load_config(None, [*keys, *overrides])


def network(classes=5, seed=0, **names):
    return network_of(config(**names), classes, seed)


def started(file, *overrides, classes=5, **names):
    return started_by(config(f"model.pretrained={file}", *overrides, **names), classes).set_train(
        False
    )


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        ("mask_rcnn", "ours"),
        ("cascade_mask_rcnn", "torch"),
        ("retinanet", "torch"),
        pytest.param("mask_rcnn", "torch", marks=pytest.mark.exhaustive),
        pytest.param("cascade_mask_rcnn", "ours", marks=pytest.mark.exhaustive),
        pytest.param("retinanet", "ours", marks=pytest.mark.exhaustive),
    ],
)
def test_a_whole_detector_starts_all_but_the_classes_that_are_new(head, kind, tmp_path, caplog):
    source = network(head=head)
    file = saved(source, tmp_path / "x", kind)
    assert same(source, started(file, head=head)) == set(values(source))
    with pytest.raises(UserError, match=r"_cls.*model\.reset_head=true") as caught:
        started(file, head=head, classes=3)
    assert "\n" not in str(caught.value)
    with caplog.at_level(logging.INFO):
        model = started(file, "model.reset_head=true", head=head, classes=3)
    assert "with a new classifier of 3 classes" in caplog.text
    layers = ("fc_cls", "fc_reg", "conv_logits", "retina_cls")
    new = {name for name in values(model) if name.split(".")[-2] in layers}
    assert len(new) == {"mask_rcnn": 6, "cascade_mask_rcnn": 18, "retinanet": 2}[head]
    assert same(source, model) == set(values(model)) - new
    assert new <= same(
        draw_anew(build_model(config(head=head), 3), np.random.default_rng(1)), model
    )


@pytest.mark.parametrize("head", HEADS)
def test_another_detectors_file_starts_the_backbone(head, tmp_path):
    """Of mmdetection's: names tell that the heads are others."""
    source = network(head=head)
    file = saved(source, tmp_path / "x", "torch")
    other = HEADS[HEADS.index(head) - 1]
    body = {name for name in values(source) if name.startswith("backbone.")}
    assert same(source, started(file, head=other)) == body
    with pytest.raises(UserError, match=r"model\.reset_head=true: .*x\.npz holds no head of"):
        started(file, "model.reset_head=true", head=other)


@pytest.mark.parametrize(
    "name", ["mask_rcnn", pytest.param("cascade_mask_rcnn", marks=pytest.mark.exhaustive)]
)
def test_acmix_starts_exactly_as_swins_published_detector(name, tmp_path):
    """Swin's file of PyTorch in the ACmix twin: the same pyramid, anchors' outputs and heads."""
    golden, meta = load(f"{name}_swin"), load(f"{name}_swin").meta
    np.savez(tmp_path / "x.npz", **golden.state)
    body = "embed_dim: 8, depths: [2, 1, 1, 1], num_heads: [1, 2, 4, 8], window_size: 4, "
    sizes = f"channels: {meta['channels']}, fc_channels: {meta['fc']}, mask_channels: 16"
    twin = started(
        tmp_path / "x.npz",
        "model.warm_start=exact",
        head=name,
        body="acmix_swin_tiny",
        classes=meta["num_classes"],
        kwargs=body + "mask_padding: false",
        sizes=sizes,
    )
    assert any(name.endswith("conv_path.fc_weight") for name in values(twin))
    plain, _ = golden_detector(f"{name}_swin")
    images = inputs(golden)[0][1:]
    maps, logits, deltas = twin.predict(images)
    expected = plain.predict(images)
    for one, other in zip((*maps, logits, deltas), (*expected[0], *expected[1:]), strict=True):
        np.testing.assert_allclose(one.asnumpy(), other.asnumpy(), atol=1e-4)
    heads = {name for name in values(plain) if not name.startswith("backbone.")}
    assert heads <= same(plain, twin)


@pytest.mark.exhaustive
def test_acmix_retinanet_starts_exactly_as_the_plain_one(tmp_path, rng):
    source = network(head="retinanet")
    file = saved(source, tmp_path / "x", "torch")
    twin = started(file, "model.warm_start=exact", head="retinanet", body="acmix_swin_tiny")
    images = Tensor(rng.normal(size=(1, 3, 40, 52)).astype(np.float32))
    for found, expected in zip(twin(images), source(images), strict=True):
        np.testing.assert_allclose(found.asnumpy(), expected.asnumpy(), atol=1e-5)


def test_a_strict_start_of_the_acmix_twin_names_the_remedy(tmp_path):
    file = saved(network(), tmp_path / "x", "torch")
    with pytest.raises(UserError, match=r"missing.*rate1.*model\.warm_start=exact"):
        started(file, body="acmix_swin_tiny")
