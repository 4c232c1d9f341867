"""What every registered model must do, found through the registry."""

import json
import re
from pathlib import Path

import mindspore as ms
import numpy as np
import pytest
import shrunk
from mindspore import Tensor
from mindspore.common import initializer
from variants import exhaustive, first_of_each, one_of_each_family

from acmix.errors import UserError
from acmix.export import export_model, load_exported
from acmix.layers.conv_path import ConvPath
from acmix.models import create_model, list_models
from acmix.models.registry import model_entry
from acmix.ops.shift import shift_kernels
from acmix.tools.analysis.macs import trace
from acmix.utils.parameters import set_value

ROOT = Path(__file__).parents[2]

# Exact parameters, and multiply-adds in G at 224 x 224 where a published count exists:
# the released code's and torchvision's numbers, not the paper's rounded ones. Those of LR-Net and
# SASA are counted from the definition of their layers.
PARAMS = {
    "resnet26": 13_696_552,
    "resnet38": 19_626_792,
    "resnet50": 25_557_032,
    "acmix_resnet26": 10_487_816,
    "acmix_resnet38": 14_410_896,
    "acmix_resnet50": 18_333_976,
    "san10": 11_841_124,
    "san15": 16_181_310,
    "san19": 20_518_470,
    "acmix_san10": 11_994_612,
    "acmix_san15": 16_414_134,
    "acmix_san19": 20_829_278,
    "pvt_tiny": 13_229_288,
    "pvt_small": 24_485_864,
    "pvt_medium": 44_208_104,
    "pvt_large": 61_369_320,
    "acmix_pvt_tiny": 13_396_056,
    "acmix_pvt_small": 24_824_611,
    "attention_resnet26": 10_336_600,
    "attention_resnet38": 14_181_480,
    "attention_resnet50": 18_026_360,
    "sasa_resnet50": 18_038_632,
    "lrnet26": 14_627_460,
    "lrnet50": 23_407_489,
    "contnet_tiny": 5_888_992,
    "contnet_small": 10_103_400,
    "contnet_medium": 19_536_936,
    "contnet_base": 36_043_112,
    "botnet50": 20_852_008,
    "aa_resnet34": 20_745_072,
    "aa_resnet50": 25_809_392,
    "aa_resnet101": 45_386_728,
    "conv_swin_tiny": 39_030_088,
    "swin_tiny": 28_288_354,
    "swin_small": 49_606_258,
    "swin_base": 87_768_224,
    "acmix_swin_tiny": 28_649_908,
    "acmix_swin_small": 50_345_080,
    "convit_tiny": 5_710_512,
    "convit_tiny_plus": 9_972_912,
    "convit_small": 27_777_322,
    "convit_small_plus": 48_979_882,
    "convit_base": 86_540_040,
    "convit_base_plus": 153_134_856,
    "t2t_vit_7": 4_310_222,
    "t2t_vit_10": 5_889_230,
    "t2t_vit_12": 6_941_902,
    "t2t_vit_14": 21_545_550,
    "t2t_vit_19": 39_177_422,
    "t2t_vit_24": 64_105_934,
    "t2t_vit_t_14": 21_541_070,
    "t2t_vit_t_19": 39_172_942,
    "t2t_vit_t_24": 64_101_454,
    "cvt_13": 19_997_480,
    "cvt_21": 31_622_696,
    "conformer_tiny": 23_524_704,
    "conformer_small": 37_673_424,
    "conformer_base": 83_289_136,
}
MACS = {
    "resnet50": 4.089,
    # Public code multiplies the queries by all 2 W - 1 vectors of a line, where W are needed.
    "aa_resnet34": 3.605 - 0.008,
    "aa_resnet50": 4.215 - 0.008,
    "aa_resnet101": 8.187 - 0.022,
    "lrnet26": 2.3975,
    "lrnet50": 4.061,
    "contnet_tiny": 1.000,
    "contnet_small": 1.6705,
    "contnet_medium": 3.440,
    "contnet_base": 7.0286,
    "san10": 1.791,
    "san19": 3.130,
    "acmix_san10": 1.888,
    "acmix_san19": 3.317,
    "pvt_tiny": 1.933,
    "acmix_pvt_tiny": 2.005,
    "acmix_pvt_small": 3.950,
    "conv_swin_tiny": 6.085,
    "swin_tiny": 4.491,
    "acmix_swin_tiny": 4.645,
    "convit_tiny": 1.252,
    "convit_tiny_plus": 2.131,
    "convit_small": 5.747,
    "convit_small_plus": 10.002,
    "convit_base": 17.506,
    "convit_base_plus": 30.740,
    "t2t_vit_7": 1.147,
    "t2t_vit_10": 1.516,
    "t2t_vit_12": 1.763,
    "t2t_vit_14": 4.784,
    "t2t_vit_19": 8.480,
    "t2t_vit_24": 13.662,
    "t2t_vit_t_14": 6.089,
    "t2t_vit_t_19": 9.785,
    "t2t_vit_t_24": 14.967,
    "cvt_13": 4.566,
    "cvt_21": 7.178,
    "conformer_tiny": 5.226,
    "conformer_small": 10.599,
    "conformer_base": 23.326,
}


def small(name, **changes):
    return create_model(name, **{"num_classes": 5, **shrunk.shallow(name), **changes})


def images(rng, *shape):
    return Tensor(rng.standard_normal(shape).astype(np.float32))


@pytest.fixture
def undrawn(monkeypatch):
    """Leave random weights zero: drawing them takes most of the time a large model is made in."""
    for name in ("_truncated_normal", "_random_normal"):
        monkeypatch.setattr(initializer, name, lambda seed, data, *parameters: data.fill(0))


def test_the_expected_models_exist():
    assert set(PARAMS) <= set(list_models())


def of_fixed_parts(model):
    """Count what is published but not trained.

    These are the sines of T2T-ViT, the features of its performers, and a bias of ConViT's positions
    that has no influence.
    """
    names = re.compile(r"(pos_embed|\.w|\.position_bias)$")
    fixed = [p for p in model.get_parameters() if names.search(p.name) and not p.requires_grad]
    return sum(p.size for p in fixed)


@pytest.mark.parametrize("name", list_models())
def test_parameters_and_one_hot_start(name, undrawn):
    """The shift start survives the model's construction; in the released ResNet it does not."""
    model = create_model(name)
    count = sum(p.size for p in model.trainable_params()) + of_fixed_parts(model)
    assert count == PARAMS.get(name, count)
    for _, cell in model.cells_and_names():
        if isinstance(cell, ConvPath):
            kernel = cell.kernel.asnumpy()
            expected = np.broadcast_to(shift_kernels(cell.kernel_size), kernel.shape)
            np.testing.assert_array_equal(kernel, expected)


def mixing(name):
    """What distinguishes the models of a family but for their size."""
    entry = model_entry(name)
    return entry.cls, repr(entry.arguments.get("mixer"))


OF_MODERATE_SIZE = [name for name, macs in MACS.items() if macs < 5]


@pytest.mark.parametrize(
    "name", exhaustive(OF_MODERATE_SIZE, first_of_each(OF_MODERATE_SIZE, mixing))
)
def test_multiply_adds_are_the_published_ones(name, undrawn):
    """Of the larger sizes the kept counts are compared, which a command makes in minutes."""
    counted = trace(create_model(name), (1, 3, 224, 224))
    assert counted.params == PARAMS[name]
    assert counted.macs / 1e9 == pytest.approx(MACS[name], abs=6e-4)


def test_kept_multiply_adds_are_the_published_ones():
    kept = json.loads((ROOT / "docs" / "results" / "comparison.json").read_text())
    counts = {count["name"]: count for count in kept}
    larger = {name for name, macs in MACS.items() if macs >= 5}
    assert larger - counts.keys() <= {"conv_swin_tiny"}  # of Tab. 6, in models.json
    for name in MACS.keys() & counts.keys():
        assert counts[name]["params"] == PARAMS[name]
        assert counts[name]["macs"] / 1e9 == pytest.approx(MACS[name], abs=6e-4)


@pytest.mark.parametrize("name", shrunk.distinct_models())
def test_all_work_is_counted(name):
    assert trace(small(name), (1, 3, 40, 40)).uncounted == ()


def in_both_modes(names):
    """Every model in PyNative; in the graph, which takes long to compile, no plain twins.

    By default the graph is that of one of each family.
    """
    eager = [(name, ms.PYNATIVE_MODE) for name in names]
    compiled = [(name, ms.GRAPH_MODE) for name in one_of_each_family(names)]
    rest = [(name, ms.GRAPH_MODE) for name in shrunk.representatives()]
    return exhaustive(dict.fromkeys([*eager, *compiled, *rest]), [*eager, *compiled])


@pytest.mark.parametrize(("name", "mode"), in_both_modes(shrunk.distinct_models()))
def test_every_parameter_gets_a_gradient(name, mode, rng):
    ms.set_context(mode=mode)
    model = small(name)
    for _, cell in model.cells_and_names():
        if isinstance(cell, ConvPath):
            # With one kernel for all channels fc_bias moves them alike, which LayerNorm undoes.
            set_value(cell.kernel, rng.standard_normal(cell.kernel.shape))
    shrunk.show_all(model)
    model.set_train()
    parameters = model.trainable_params()
    names = [p.name for p in parameters]
    assert len(set(names)) == len(names)

    def loss(x):
        return (model(x) * weights).sum()

    weights = images(rng, 2, 5)
    step = ms.value_and_grad(loss, None, parameters)
    step = ms.jit(step) if mode == ms.GRAPH_MODE else step
    _, gradients = step(images(rng, 2, 3, 45, 50))
    unseen = shrunk.WITHOUT_GRADIENT.get(type(model), "(?!)")
    for parameter, gradient in zip(parameters, gradients, strict=True):
        value = gradient.asnumpy()
        assert value.shape == parameter.shape
        assert np.isfinite(value).all(), parameter.name
        expected = re.fullmatch(unseen, parameter.name) is None
        assert (np.abs(value).max() > 0) == expected, parameter.name


# The others: a file holds the graph, which is compared with PyNative mode below.
@pytest.mark.parametrize("name", one_of_each_family(shrunk.representatives()))
def test_graph_and_pynative_agree(name, rng):
    model = small(name)
    model.set_train(False)
    x = images(rng, 1, 3, 33, 47)
    outputs = []
    for mode in (ms.GRAPH_MODE, ms.PYNATIVE_MODE):
        ms.set_context(mode=mode)
        outputs.append(model(x).asnumpy())
    ms.set_context(mode=ms.GRAPH_MODE)
    assert outputs[0].shape == (1, 5)
    np.testing.assert_allclose(outputs[0], outputs[1], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "mode"),
    [
        *((name, ms.PYNATIVE_MODE) for name in shrunk.distinct_models()),
        (shrunk.representatives()[0], ms.GRAPH_MODE),
    ],
)
def test_feature_maps_are_what_feature_info_says(name, mode, rng):
    ms.set_context(mode=mode)
    whole = small(name)
    info = whole.feature_info
    model = small(name, num_classes=None, features_only=True, out_indices=(-1, 0))
    assert model.feature_info == tuple(dict.fromkeys((info[0], info[-1])))
    height, width = 72, 90
    features = model(images(rng, 1, 3, height, width))
    for feature, stage in zip(features, model.feature_info, strict=True):
        size = -(-height // stage.reduction), -(-width // stage.reduction)
        assert feature.shape == (1, stage.channels, *size)
    assert not any("head" in p.name or p.name.startswith("fc") for p in model.get_parameters())


@pytest.mark.parametrize(
    "name",
    exhaustive(shrunk.representatives(), one_of_each_family(shrunk.representatives())),
)
def test_export_to_mindir_and_back(name, tmp_path, rng):
    model = small(name)
    preprocess = {
        "size": 40, "crop_pct": 1.0, "mean": [0.5] * 3, "std": [0.5] * 3,
        "interpolation": "bilinear", "channels": 3,
    }  # fmt: skip
    sidecar = {
        "task": "classification",
        "model": name,
        "classes": list("abcde"),
        "preprocess": preprocess,
        "post_process": {},
    }
    report = export_model(
        model, tmp_path / "net.mindir", format="mindir", input_shape=(1, 3, 40, 40), sidecar=sidecar
    )
    assert report.max_abs_diff < 1e-5
    x = images(rng, 1, 3, 40, 40)
    loaded = load_exported(tmp_path / "net.mindir")(x.asnumpy())
    ms.set_context(mode=ms.PYNATIVE_MODE)
    model.set_train(False)
    np.testing.assert_allclose(loaded, model(x).asnumpy(), atol=1e-5)


@pytest.mark.parametrize("name", shrunk.distinct_models())
def test_the_classifier_can_be_replaced(name, rng):
    ms.set_context(mode=ms.PYNATIVE_MODE)
    replace_classifier(small(name), rng)


def test_the_classifier_can_be_replaced_after_the_graph_was_compiled(rng):
    replace_classifier(small("resnet26"), rng)


def replace_classifier(model, rng):
    model.set_train(False)
    x = images(rng, 1, 3, 40, 40)
    assert model(x).shape == (1, 5)
    pooled = model.forward_head(model.forward_features(x), pre_logits=True)
    model.reset_classifier(7)
    assert model(x).shape == (1, 7)
    assert model.num_classes == 7
    model.reset_classifier(0)
    assert model(x).shape == (1, model.num_features)
    np.testing.assert_allclose(model(x).asnumpy(), pooled.asnumpy(), rtol=1e-4, atol=1e-5)
    with pytest.raises(UserError, match="num_classes must not be negative"):
        model.reset_classifier(-1)


@pytest.mark.parametrize("name", shrunk.distinct_models())
def test_layers_hold_every_parameter_before_the_head_once(name):
    model = small(name)
    layers = model.parameter_layers()
    names = [parameter.name for layer in layers for parameter in layer]
    behind = {parameter.name for parameter in model.get_parameters()} - set(names)
    assert len(set(names)) == len(names)
    assert len(layers) > len(model.stages)  # the stem is the first, and a stage has a block
    assert {name.partition(".")[0] for name in behind} <= {"head", "norm", "fc", "trans_norm"}
    blocks = re.compile(r"stages\.\d+\.(blocks\.)?\w+")
    for layer in layers[1:]:
        own = {blocks.match(parameter.name).group() for parameter in layer}
        assert sum("blocks" in one or one.count(".") == 2 for one in own) >= 1


def test_other_image_channels(rng):
    model = small("acmix_swin_tiny", in_channels=1)
    assert model(images(rng, 1, 1, 32, 32)).shape == (1, 5)


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("acmix_swin_tinny", {}, "Did you mean 'acmix_swin_tiny'"),
        ("resnet50", {"num_klasses": 3}, "Did you mean 'num_classes'"),
        ("resnet50", {"mixer": "convolution"}, "mixer='convolution' is unknown"),
        ("botnet50", {"mixer": ("conv", "relative")}, "one for each of the 4 stages"),
        ("swin_tiny", {"depths": (1, 1)}, "equally long"),
        ("san10", {"kernel_sizes": (3, 7)}, "equally long"),
        ("san10", {"channels": (64, 256, 512, 1024, 2040)}, "multiples of 16"),
        ("pvt_tiny", {"sr_ratios": (8, 4)}, "equally long"),
        ("acmix_pvt_tiny", {"combine": "conv"}, "class token"),
        ("resnet26", {"out_indices": (0,)}, "needs features_only=True"),
        ("resnet26", {"features_only": True, "out_indices": (4,)}, "stages 0 to 3"),
        ("resnet26", {"drop_path_rate": 1.0}, "drop_path_rate"),
    ],
)
def test_bad_requests_are_explained(name, arguments, message):
    with pytest.raises(UserError, match=message):
        create_model(name, **arguments)


def test_list_models_takes_patterns():
    assert list_models("acmix_resnet*") == ["acmix_resnet26", "acmix_resnet38", "acmix_resnet50"]
    assert list_models("nothing*") == []
