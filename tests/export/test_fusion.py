"""Inference forms compute what the networks do, whatever their weights."""

from __future__ import annotations

import copy

import mindspore as ms
import numpy as np
import pytest
from mindspore import Tensor, nn
from models import shrunk
from models.detection.small_detector import small_detector, small_two_stage
from random_weights import draw_anew

from acmix import ACmix, create_model
from acmix.errors import UserError
from acmix.export import check_fused, export_model, fuse, load_exported
from acmix.layers.acmix import COMBINATIONS
from acmix.layers.blocks import Mlp
from acmix.layers.inference import absorb_input, absorb_output, inference_form
from acmix.layers.norm import LayerNorm
from acmix.utils.modes import built_for
from acmix.utils.parameters import set_value

SIDECAR = {"task": "classification", "model": "m", "classes": "ab", "preprocess": {},
           "post_process": {}}  # fmt: skip
MODES = {
    "local": {"kernel_size": 3},
    "window": {"window_size": 3, "shift_size": 1},
    "global": {"sr_ratio": 2},
    "relative": {"map_size": 5},
    "patchwise": {"kernel_size": 3, "share_planes": 2},
}


def images(rng, *shape):
    return Tensor(rng.standard_normal(shape).astype(np.float32))


def close(actual, expected, tolerance=1e-4):
    for ours, theirs in zip(as_tuple(actual), as_tuple(expected), strict=True):
        assert ours.shape == theirs.shape
        assert np.abs(theirs.asnumpy()).max() > 0.1
        assert np.abs(ours.asnumpy() - theirs.asnumpy()).max() < tolerance


def as_tuple(outputs):
    return outputs if isinstance(outputs, tuple) else (outputs,)


def count(network, kind):
    return sum(isinstance(cell, kind) for _, cell in network.cells_and_names())


@pytest.mark.parametrize("name", shrunk.distinct_models())
def test_every_model_keeps_its_function_and_is_left_alone(name, rng):
    ms.set_context(mode=ms.PYNATIVE_MODE)
    arguments = {**shrunk.arguments(name), "num_classes": 5, "drop_path_rate": 0.2}
    model = draw_anew(create_model(name, **arguments), rng)
    x = images(rng, 2, 3, 45, 50)
    expected = model(x)
    form = fuse(model)
    close(form(x), expected)
    close(fuse(form)(x), expected)
    for parameter in form.get_parameters():
        set_value(parameter, np.zeros(parameter.shape))
        assert not parameter.requires_grad
    np.testing.assert_array_equal(model(x).asnumpy(), expected.asnumpy())
    names = [parameter.name for parameter in form.get_parameters()]
    assert len(set(names)) == len(names)
    assert not any("random_state" in name for name in names)


@pytest.mark.parametrize("name", ["acmix_resnet26", "acmix_swin_tiny"])
def test_on_the_ascend_path(name, rng):
    ms.set_context(mode=ms.PYNATIVE_MODE)
    with built_for("Ascend"):
        model = create_model(name, num_classes=5, **shrunk.arguments(name))
        form = fuse(draw_anew(model, rng))
    x = images(rng, 1, 3, 40, 33)
    close(form(x), model(x))
    convolutions = [cell for _, cell in form.cells_and_names() if isinstance(cell, nn.Conv2d)]
    assert {cell.group for cell in convolutions} == {1}
    assert all(norm.affine for _, norm in form.cells_and_names() if isinstance(norm, LayerNorm))


@pytest.mark.parametrize(
    ("name", "norms"),
    # Of a ResNet none is left; a SAN keeps those before a ReLU: one or two of each block and stage.
    [("resnet26", 0), ("acmix_resnet26", 0), ("attention_resnet26", 0), ("botnet50", 0),
     ("acmix_san10", 6)],
)  # fmt: skip
def test_batch_norms_behind_convolutions_are_gone(name, norms):
    assert count(fuse(create_model(name, **shrunk.arguments(name))), nn.BatchNorm2d) == norms


@pytest.mark.parametrize("combine", COMBINATIONS)
@pytest.mark.parametrize("attention", MODES)
def test_operator_in_every_combination(attention, combine, rng):
    if attention == "relative" and combine == "conv":
        pytest.skip("the same as for local attention")
    check_operator(rng, attention, combine=combine, qkv_bias=True, fc_bias=True)


@pytest.mark.parametrize("conv_impl", ["group", "block"])
@pytest.mark.parametrize("conv_variant", ["learnable", "random", "fixed", "shift"])
def test_operator_with_every_kernel(conv_variant, conv_impl, rng):
    check_operator(rng, "local", conv_variant=conv_variant, conv_impl=conv_impl, stride=2)


@pytest.mark.parametrize("arguments", [
    {"attention": "local", "qkv_bias": False, "conv_kernel_size": 5},
    {"attention": "window", "qkv_bias": False, "conv_rolled": True},
    {"attention": "global", "qkv_bias": False, "combine": "complement", "sr_ratio": 1},
    {"attention": "patchwise", "qkv_bias": False, "fc_bias": True},
])  # fmt: skip
def test_operator_without_biases(arguments, rng):
    arguments = dict(arguments)
    check_operator(rng, arguments.pop("attention"), **arguments)


def check_operator(rng, attention, **arguments):
    """Compare the operator with its form, and with an affine map behind and before both."""
    ms.set_context(mode=ms.PYNATIVE_MODE)
    arguments = {**MODES[attention], **arguments}
    operator = draw_anew(ACmix(8, num_heads=2, attention=attention, **arguments), rng)
    tokens = operator.data_format == "NHWC"
    x = images(rng, *((2, 7, 6, 8) if tokens else (2, 8, 7, 6)))
    expected = operator(x)
    form = inference_form(copy.deepcopy(operator))
    close(form(x), expected, 1e-5)

    scale, shift = 1 + rng.random(8), rng.standard_normal(8)
    before = form(x)
    broadcast = (-1,) if tokens else (-1, 1, 1)
    by, plus = (Tensor(v.reshape(broadcast).astype(np.float32)) for v in (scale, shift))
    done = absorb_output(form, scale, shift)
    close(form(x), before * by + plus if done else before, 3e-5)
    kernel = arguments.get("conv_variant")
    convolves = operator.conv_path is not None
    assert done == (kernel != "shift" and (convolves or attention != "patchwise"))

    before = form(x * by + plus)
    reduced = arguments.get("sr_ratio", 1) > 1 and operator.attention is not None
    if absorb_input(form, scale, shift):
        close(form(x), before, 3e-5)
        assert tokens
        assert not reduced
    else:
        assert not tokens or reduced


def test_convolution_and_linear_layer_absorb(rng):
    ms.set_context(mode=ms.PYNATIVE_MODE)
    scale, shift = 1 + rng.random(6), rng.standard_normal(6)
    by, plus = (Tensor(v.astype(np.float32)) for v in (scale, shift))
    for bias in (True, False):
        dense = draw_anew(nn.Dense(6, 6, has_bias=bias), rng)
        x = images(rng, 4, 6)
        expected = dense(x * by + plus) * by + plus
        assert absorb_output(dense, scale, shift)
        assert absorb_input(dense, scale, shift)
        close(dense(x), expected, 1e-5)
    conv = nn.Conv2d(6, 6, 3, group=2)
    assert not absorb_input(conv, scale, shift)
    assert not absorb_output(nn.ReLU(), scale, shift)


def test_mlp(rng):
    ms.set_context(mode=ms.PYNATIVE_MODE)
    mlp = draw_anew(Mlp(8, 16), rng)
    x = images(rng, 5, 8) * 3
    close(inference_form(copy.deepcopy(mlp))(x), mlp(x), 2e-5)


@pytest.mark.parametrize("backbone", ["acmix_resnet26", "acmix_pvt_tiny"])
def test_detectors(backbone, rng):
    ms.set_context(mode=ms.PYNATIVE_MODE)
    detector = draw_anew(small_detector(backbone), rng)
    x = images(rng, 1, 3, 40, 52)
    form = fuse(detector)
    close(form(x), detector(x))
    assert [out.shape for out in form.detect(x)] == [out.shape for out in detector.detect(x)]


def test_every_head_of_two_stages_is_compared(rng):
    """Classes, boxes and masks of all three stages follow the outputs for anchors."""
    ms.set_context(mode=ms.PYNATIVE_MODE)
    body = {"width": 8, "depths": (1, 1)}
    detector = draw_anew(small_two_stage("cascade_mask_rcnn", body=body), rng)
    x = images(rng, 1, 3, 40, 52)
    form = fuse(detector)
    outputs, expected = form(x), detector(x)
    assert len(outputs) == 2 + 3 * 3
    close(outputs, expected)
    norms = [name for name, _ in form.parameters_and_names() if "moving" in name]
    assert norms == []
    stage = detector.roi_head.stages[1]
    for head in (stage.box_head.fc_cls, stage.box_head.fc_reg, stage.mask_head.conv_logits):
        set_value(head.bias, head.bias.asnumpy() + 1)
    changed = [
        number
        for number, (new, old) in enumerate(zip(detector(x), expected, strict=True))
        if (new.asnumpy() != old.asnumpy()).any()
    ]
    assert changed == [5, 6, 7]


@pytest.mark.parametrize(("name", "fp16"), [("acmix_resnet26", False), ("acmix_swin_tiny", True)])
def test_forms_are_exported(name, fp16, tmp_path, rng):
    model = draw_anew(create_model(name, num_classes=5, **shrunk.shallow(name)), rng)
    path, form = tmp_path / "net.mindir", fuse(model)
    report = export_model(
        form, path, format="mindir", input_shape=(1, 3, 40, 40), sidecar=SIDECAR,
        dynamic_batch=True, fp16=fp16, verify=False,
    )  # fmt: skip
    assert not report.operators.keys() & {"BatchNorm", "Erf", "Pad", "LayerNorm"}
    x = images(rng, 3, 3, 40, 40)
    expected = model(x)
    actual = Tensor(load_exported(path)(x.asnumpy()))
    close(actual, expected, 0.1 if fp16 else 1e-4)


def test_a_form_that_computes_something_else_is_refused(mode, rng):
    network = nn.SequentialCell(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU()).set_train()
    before, form = ms.get_context("mode"), fuse(network)
    assert check_fused(network, form, (3, 8, 8)) < 1e-5
    assert network.training
    bias = network[1].beta
    set_value(bias, rng.random(bias.shape))
    with pytest.raises(UserError, match="the inference form differs from the network by"):
        check_fused(network, form, (3, 8, 8))
    assert ms.get_context("mode") == before


def test_what_is_no_network_is_refused():
    with pytest.raises(UserError, match="fuse takes a Cell, got function"):
        fuse(draw_anew)


class Shared(nn.Cell):
    """One convolution before two norms, and one block in two places."""

    def __init__(self):
        super().__init__()
        conv = nn.Conv2d(4, 4, 3)
        self.chain = nn.SequentialCell(conv, norm(2), conv, norm(3))
        block = nn.SequentialCell(nn.Conv2d(4, 4, 3), norm(4), ACmix(4, num_heads=2))
        self.blocks = nn.CellList([block, block])

    def construct(self, x):
        x = self.chain(x)
        for block in self.blocks:
            x = block(x)
        return x


def norm(seed):
    layer = nn.BatchNorm2d(4)
    rng = np.random.default_rng(seed)
    for parameter in (layer.gamma, layer.beta, layer.moving_mean, layer.moving_variance):
        set_value(parameter, rng.uniform(0.5, 2, 4).astype(np.float32))
    return layer


def test_cells_of_several_places_are_folded_where_no_place_differs(rng):
    network = Shared().set_train(False)
    x = Tensor(rng.normal(size=(2, 4, 6, 6)).astype(np.float32))
    form = fuse(network)
    assert np.abs(form(x).asnumpy() - network(x).asnumpy()).max() < 1e-4
    assert form.blocks[0] is form.blocks[1]
    kinds = [type(cell) for cell in form.blocks[0]]
    assert kinds == [nn.Conv2d, nn.Identity, ACmix]
    assert [type(cell) for cell in form.chain][1::2] == [nn.BatchNorm2d] * 2
