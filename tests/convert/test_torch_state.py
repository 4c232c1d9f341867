"""The converter: names, what does not fit, what is ignored, and the way back."""

import numpy as np
import pytest
from golden_models import NAMES, build, load_golden
from mindspore import nn

from acmix import ACmix
from acmix.convert import load_torch_state, torch_state
from acmix.errors import UserError
from acmix.models.pvt import PVT
from acmix.models.resnet import ResNet
from acmix.models.san import SAN
from acmix.models.swin import Swin
from acmix.utils.parameters import get_value

BUFFERS = ("num_batches_tracked", "relative_position_index", "attn_mask")


def without_buffers(state):
    return {name: value for name, value in state.items() if not name.endswith(BUFFERS)}


def values(model):
    return {name: get_value(parameter) for name, parameter in model.parameters_and_names()}


def assert_same(found, expected):
    assert sorted(found) == sorted(expected)
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value, err_msg=name)


def random_state(shapes, rng):
    return {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}


# The way there and back, against the names and shapes PyTorch wrote


@pytest.mark.parametrize("name", NAMES)
def test_what_was_loaded_comes_back_under_the_official_names(name):
    model, state = build(name), load_golden(name).state
    load_torch_state(model, state)
    assert_same(torch_state(model), without_buffers(state))


def norm(name, channels):
    kinds = ("weight", "bias", "running_mean", "running_var")
    return {f"{name}.{kind}": (channels,) for kind in kinds} | {f"{name}.num_batches_tracked": ()}


TORCHVISION_RESNET = {  # one bottleneck of width 8 and 3 classes
    "conv1.weight": (8, 3, 7, 7),
    **norm("bn1", 8),
    "layer1.0.conv1.weight": (8, 8, 1, 1),
    **norm("layer1.0.bn1", 8),
    "layer1.0.conv2.weight": (8, 8, 3, 3),
    **norm("layer1.0.bn2", 8),
    "layer1.0.conv3.weight": (32, 8, 1, 1),
    **norm("layer1.0.bn3", 32),
    "layer1.0.downsample.0.weight": (32, 8, 1, 1),
    **norm("layer1.0.downsample.1", 32),
    "fc.weight": (3, 32),
    "fc.bias": (3,),
}
ACMIX_RESNET = {
    name: shape for name, shape in TORCHVISION_RESNET.items() if name != "layer1.0.conv2.weight"
} | {
    "layer1.0.conv2.rate1": (1,),
    "layer1.0.conv2.rate2": (1,),
    **{f"layer1.0.conv2.conv{i}.weight": (8, 8, 1, 1) for i in (1, 2, 3)},
    **{f"layer1.0.conv2.conv{i}.bias": (8,) for i in (1, 2, 3)},
    "layer1.0.conv2.conv_p.weight": (2, 2, 1, 1),
    "layer1.0.conv2.conv_p.bias": (2,),
    "layer1.0.conv2.fc.weight": (9, 12, 1, 1),
    "layer1.0.conv2.dep_conv.weight": (8, 9, 3, 3),
}


@pytest.mark.parametrize(
    ("mixer", "shapes"), [("conv", TORCHVISION_RESNET), ("acmix", ACMIX_RESNET)]
)
def test_a_whole_resnet_takes_and_gives_the_names_of_torchvision(mixer, shapes, rng):
    model, state = ResNet((1,), mixer, num_classes=3, width=8), random_state(shapes, rng)
    report = load_torch_state(model, state)
    assert_same(torch_state(model), without_buffers(state))
    assert len(report.loaded) == len(values(model))


def test_each_parameter_of_resnet_holds_its_own_tensor(rng):
    model, state = ResNet((1,), num_classes=3, width=8), random_state(TORCHVISION_RESNET, rng)
    load_torch_state(model, state)
    ours, own, theirs = values(model), "stages.0.0", "layer1.0"
    for our_name, their_name in {
        f"{own}.conv2.weight": f"{theirs}.conv2.weight",
        f"{own}.bn2.gamma": f"{theirs}.bn2.weight",
        f"{own}.bn2.beta": f"{theirs}.bn2.bias",
        f"{own}.downsample.1.moving_mean": f"{theirs}.downsample.1.running_mean",
        f"{own}.downsample.1.moving_variance": f"{theirs}.downsample.1.running_var",
        "fc.bias": "fc.bias",
    }.items():
        np.testing.assert_array_equal(ours[our_name], state[their_name])


OFFICIAL_SAN = {  # one stage with one block of 16 channels, kernel 3, and 3 classes
    "conv_in.weight": (16, 3, 1, 1),
    **norm("bn_in", 16),
    "conv0.weight": (16, 16, 1, 1),
    **norm("bn0", 16),
    **norm("layer0.0.bn1", 16),
    "layer0.0.sam.conv1.weight": (1, 16, 1, 1),
    "layer0.0.sam.conv2.weight": (1, 16, 1, 1),
    "layer0.0.sam.conv3.weight": (4, 16, 1, 1),
    "layer0.0.sam.conv1.bias": (1,),
    "layer0.0.sam.conv2.bias": (1,),
    "layer0.0.sam.conv3.bias": (4,),
    **norm("layer0.0.sam.conv_w.0", 10),
    "layer0.0.sam.conv_w.2.weight": (2, 10, 1, 1),
    **norm("layer0.0.sam.conv_w.3", 2),
    "layer0.0.sam.conv_w.5.weight": (18, 2, 1, 1),
    "layer0.0.sam.conv_w.5.bias": (18,),
    **norm("layer0.0.bn2", 4),
    "layer0.0.conv.weight": (16, 4, 1, 1),
    "layer0.0.conv.bias": (16,),
    "fc.weight": (3, 16),
    "fc.bias": (3,),
}
ACMIX_SAN = OFFICIAL_SAN | {
    "layer0.0.sam.rate1": (1,),
    "layer0.0.sam.rate2": (1,),
    "layer0.0.sam.fc.weight": (9, 6, 1, 1),
    "layer0.0.sam.dep_conv.weight": (4, 9, 3, 3),
}


@pytest.mark.parametrize(("mixer", "shapes"), [("attention", OFFICIAL_SAN), ("acmix", ACMIX_SAN)])
def test_a_whole_san_takes_and_gives_the_official_names(mixer, shapes, rng):
    model = SAN((1,), mixer, num_classes=3, channels=(16,), kernel_sizes=(3,), share_planes=2)
    state = random_state(shapes, rng)
    report = load_torch_state(model, state)
    assert_same(torch_state(model), without_buffers(state))
    assert len(report.loaded) == len(values(model))


def test_acmix_pvt_has_the_names_of_pvt_and_those_of_the_convolution_paths():
    arguments = (1, 1), (4, 4), (1, 2), (2, 2), (2, 1)
    plain, mixed = (set(torch_state(PVT(*arguments, mixer))) for mixer in ("attention", "acmix"))
    assert mixed - plain == {
        f"block{stage}.0.attn.{name}"
        for stage in (1, 2)
        for name in ("rate1", "rate2", "fc.weight", "dep_conv.weight")
    }
    assert plain < mixed


def test_feature_maps_of_swin_have_the_norms_of_the_official_detectors():
    names = torch_state(Swin(4, (1, 1), (1, 2), features_only=True, out_indices=(1,)))
    assert {"norm1.weight", "norm1.bias", "layers.0.downsample.norm.weight"} <= names.keys()
    assert not {"norm.weight", "norm0.weight", "head.weight"} & names.keys()


# What does not fit


@pytest.fixture
def operator():
    """A local ACmix of 4 channels with the official state for it."""
    model = ACmix(4, num_heads=2)
    return model, torch_state(model)


def test_all_that_does_not_fit_is_in_one_error_and_nothing_is_loaded(operator):
    model, state = operator
    before = values(model)
    state = {name: value + 1 for name, value in state.items()}
    del state["conv2.weight"]
    state["rate3"] = np.ones(1, np.float32)
    state["dep_conv.weight"] = np.ones((4, 9, 5, 5), np.float32)
    with pytest.raises(UserError) as error:
        load_torch_state(model, state)
    assert str(error.value) == (
        "state, meant for ACmix, does not fit. Tensors missing: conv2.weight; unexpected: rate3; "
        "of another shape: dep_conv.weight ((4, 9, 5, 5) instead of (4, 9, 3, 3))."
    )
    assert_same(values(model), before)


def test_the_official_dep_conv_has_no_bias_and_none_is_taken(operator):
    model, state = operator
    assert "dep_conv.bias" not in state
    load_torch_state(model, state)
    state["dep_conv.bias"] = np.zeros(4, np.float32)
    with pytest.raises(UserError, match=r"unexpected: dep_conv\.bias\."):
        load_torch_state(model, state)


def test_a_checkpoint_around_the_state_is_told_as_such(operator):
    model, state = operator
    with pytest.raises(
        UserError, match=r"state\['model'\] must be an array, got a dict.*pass that"
    ):
        load_torch_state(model, {"model": state})


def test_a_cell_without_official_names_is_refused():
    with pytest.raises(UserError, match=r"known for a Dense\. Pass one of .*Bottleneck, .*Swin"):
        load_torch_state(nn.Dense(2, 2), {})


# What is ignored and what is kept


@pytest.mark.parametrize("name", ["acmix_resnet_bottleneck", "acmix_swin_small"])
def test_buffers_are_ignored_and_reported_with_the_reason(name):
    model, state = build(name), load_golden(name).state
    report = load_torch_state(model, state)
    assert set(report.ignored) == state.keys() - without_buffers(state).keys()
    assert all(report.ignored.values())
    assert sorted(sum(report.loaded.values(), ())) == sorted(without_buffers(state))
    for reason in report.ignored.values():
        assert reason in str(report)


def test_the_state_of_random_numbers_is_kept_and_reported():
    source, target = (Swin(4, (2,), (1,), num_classes=2, drop_path_rate=0.5) for _ in range(2))
    name = "stages.0.blocks.1.drop_path.random_state"
    before = values(target)[name]
    report = load_torch_state(target, torch_state(source))
    assert name in report.kept
    assert name not in report.loaded
    np.testing.assert_array_equal(values(target)[name], before)


def test_the_report_tells_what_each_parameter_is_made_of(operator):
    report = load_torch_state(*operator)
    assert report.loaded["qkv.weight"] == ("conv1.weight", "conv2.weight", "conv3.weight")
    assert str(report) == "8 parameters set from 12 tensors"
