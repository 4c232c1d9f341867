"""Names of other libraries, in full size, come out as the official ones; so do prefixes.

The rules below write down the names of timm 1.0, torchvision 0.28, Transformers 4 and 5 and
mmpretrain 1. Outputs agreed to 1e-6 with models of the first three that were made at random.
"""

import re

import numpy as np
import pytest

from acmix import create_model
from acmix.convert import load_torch_state, official_state, torch_state
from acmix.errors import UserError
from acmix.models.pvt import PVT
from acmix.models.resnet import ResNet
from acmix.models.san import SAN
from acmix.models.swin import Swin

DEPTHS, DIMS, HEADS = (2, 2, 6, 2), (96, 192, 384, 768), (3, 6, 12, 24)


def marked(shapes):
    """Return arrays of the shapes without memory; each has another value."""
    return {
        name: np.broadcast_to(np.float32(i), shape)
        for i, (name, shape) in enumerate(shapes.items(), 1)
    }


def layer(name, rows, columns=None, bias=True):
    shape = (rows,) if columns is None else (rows, columns)
    return {f"{name}.weight": shape} | ({f"{name}.bias": (rows,)} if bias else {})


def official_swin(classes=1000):
    """Microsoft's Swin-T: 173 tensors."""
    shapes = {"patch_embed.proj.weight": (96, 3, 4, 4), "patch_embed.proj.bias": (96,)}
    shapes |= layer("patch_embed.norm", 96)
    for stage, (depth, dim) in enumerate(zip(DEPTHS, DIMS, strict=True)):
        for block in range(depth):
            own = f"layers.{stage}.blocks.{block}"
            shapes |= layer(f"{own}.norm1", dim)
            shapes[f"{own}.attn.relative_position_bias_table"] = (169, HEADS[stage])
            shapes |= layer(f"{own}.attn.qkv", 3 * dim, dim) | layer(f"{own}.attn.proj", dim, dim)
            shapes |= layer(f"{own}.norm2", dim)
            shapes |= layer(f"{own}.mlp.fc1", 4 * dim, dim) | layer(f"{own}.mlp.fc2", dim, 4 * dim)
        if stage < 3:
            own = f"layers.{stage}.downsample"
            shapes |= layer(f"{own}.reduction", 2 * dim, 4 * dim, bias=False)
            shapes |= layer(f"{own}.norm", 4 * dim)
    shapes |= layer("norm", 768)
    return shapes | (layer("head", classes, 768) if classes else {})


def renamed(shapes, *rules):
    def rename(name):
        for pattern, replacement in rules:
            name = re.sub(pattern, replacement, name)
        return name

    return {rename(name): shape for name, shape in shapes.items()}


def split(shapes, whole, parts):
    """Split tensors along the first axis into one for each part."""
    found = {}
    for name, shape in shapes.items():
        if f".{whole}." in name:
            rows = shape[0] // len(parts)
            for part in parts:
                found[name.replace(f".{whole}.", f".{part}.")] = (rows, *shape[1:])
        else:
            found[name] = shape
    return found


def timm_swin():
    return renamed(
        official_swin(),
        (r"^layers\.(\d)\.downsample", lambda m: f"layers.{int(m[1]) + 1}.downsample"),
        (r"^head\.", "head.fc."),
    )


def torchvision_swin():
    shapes = renamed(
        official_swin(),
        (r"^patch_embed\.proj", "features.0.0"),
        (r"^patch_embed\.norm", "features.0.2"),
        (r"^layers\.(\d)\.blocks", lambda m: f"features.{2 * int(m[1]) + 1}"),
        (r"^layers\.(\d)\.downsample", lambda m: f"features.{2 * int(m[1]) + 2}"),
        (r"mlp\.fc1", "mlp.0"),
        (r"mlp\.fc2", "mlp.3"),
    )
    for stage, depth in enumerate(DEPTHS):
        for block in range(depth):
            shapes[f"features.{2 * stage + 1}.{block}.attn.relative_position_index"] = (2401,)
    return shapes


HUGGING_FACE = (
    (r"^patch_embed\.proj", "swin.embeddings.patch_embeddings.projection"),
    (r"^patch_embed\.norm", "swin.embeddings.norm"),
    (r"^layers", "swin.encoder.layers"),
    (r"^norm\.", "swin.layernorm."),
    (r"^head", "classifier"),
    (r"norm1", "layernorm_before"),
    (r"norm2", "layernorm_after"),
)


def hugging_face_swin():
    shapes = renamed(
        official_swin(),
        *HUGGING_FACE,
        (r"attn\.proj", "attention.output.dense"),
        (r"attn\.", "attention.self."),
        (r"mlp\.fc1", "intermediate.dense"),
        (r"mlp\.fc2", "output.dense"),
    )
    return split(shapes, "qkv", ("query", "key", "value"))


def hugging_face_swin_5():
    shapes = renamed(
        official_swin(),
        *HUGGING_FACE,
        (r"attn\.relative", "attention.relative_position_bias.relative"),
        (r"attn\.proj", "attention.o_proj"),
        (r"attn\.", "attention."),
    )
    return split(shapes, "qkv", ("q_proj", "k_proj", "v_proj"))


def mmpretrain_swin():
    return renamed(
        official_swin(),
        (r"^(?!head)", "backbone."),
        (r"patch_embed\.proj\b", "patch_embed.projection"),
        (r"\.layers\.", ".stages."),
        (r"\.attn\.", ".attn.w_msa."),
        (r"\.mlp\.fc1\.", ".ffn.layers.0.0."),
        (r"\.mlp\.fc2\.", ".ffn.layers.1."),
        (r"^backbone\.norm\.", "backbone.norm3."),
        (r"^head\.", "head.fc."),
    )


SWINS = {
    "official": official_swin,
    "timm since 0.9": timm_swin,
    "torchvision": torchvision_swin,
    "Hugging Face Transformers": hugging_face_swin,
    "Hugging Face Transformers 5": hugging_face_swin_5,
    "mmpretrain and mmdetection": mmpretrain_swin,
}


@pytest.mark.parametrize("library", SWINS)
def test_every_name_of_swin_t_becomes_the_official_one_of_its_shape(library):
    shapes, expected = SWINS[library](), official_swin()
    official = official_state(Swin, marked(shapes))
    found = {n: v.shape for n, v in official.state.items() if "position_index" not in n}
    assert found == expected
    assert not official.ignored
    if library != "official":
        assert any(library.removesuffix(" 5") in note for note in official.notes)


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    ("name", "shapes"),
    [
        ("swin_tiny", lambda: official_swin()),
        ("resnet50", lambda: torchvision_resnet50()),
        ("pvt_tiny", lambda: official_pvt_tiny()),
    ],
)
def test_the_rules_give_the_names_and_shapes_of_the_models(name, shapes):
    expected = {n: shape for n, shape in shapes().items() if not n.endswith("batches_tracked")}
    found = {n: value.shape for n, value in torch_state(create_model(name)).items()}
    assert found == expected


@pytest.mark.parametrize(
    ("library", "order"),
    [("mmpretrain and mmdetection", [0, 2, 1, 3]), ("torchvision", None)],
)
def test_the_order_of_merged_pixels_is_the_official_one(library, order, rng):
    """mmpretrain unfolds: channel by channel, its pixels row by row; others go pixel by pixel."""
    state = marked(SWINS[library]())
    (name,) = [
        n for n in state if n.endswith(("stages.0.downsample.norm.weight", "s.2.norm.weight"))
    ]
    channel, pixel = np.meshgrid(np.arange(96), np.arange(4), indexing="ij")
    state[name] = np.float32(10 * channel + pixel).reshape(-1)
    if order is None:
        state[name] = state[name].reshape(96, 4).T.reshape(-1)
    found = official_state(Swin, state).state["layers.0.downsample.norm.weight"].reshape(4, 96)
    np.testing.assert_array_equal(found[:, 1], 10 + np.array(order or [0, 1, 2, 3]))


@pytest.mark.parametrize("shape", [(), (0, 0), (0, 4), (4, 0), (6,)])
def test_odd_shapes_of_what_is_reordered_stay(shape):
    state = {"patch_embed.projection.weight": np.ones(1), "stages.0.downsample.norm.bias": None}
    state["stages.0.downsample.norm.bias"] = np.zeros(shape, np.float32)
    found = official_state(Swin, state).state["layers.0.downsample.norm.bias"]
    assert found.shape == shape


def norm(name, channels):
    kinds = ("weight", "bias", "running_mean", "running_var")
    return {f"{name}.{kind}": (channels,) for kind in kinds} | {f"{name}.num_batches_tracked": ()}


def torchvision_resnet50():
    """320 tensors."""
    shapes = {"conv1.weight": (64, 3, 7, 7), **norm("bn1", 64)}
    before = 64
    for stage, depth in enumerate((3, 4, 6, 3)):
        width = 64 * 2**stage
        for block in range(depth):
            own = f"layer{stage + 1}.{block}"
            sizes = ((width, before, 1), (width, width, 3), (4 * width, width, 1))
            for i, (rows, columns, kernel) in enumerate(sizes, 1):
                shapes[f"{own}.conv{i}.weight"] = (rows, columns, kernel, kernel)
                shapes |= norm(f"{own}.bn{i}", rows)
            if block == 0:
                shapes[f"{own}.downsample.0.weight"] = (4 * width, before, 1, 1)
                shapes |= norm(f"{own}.downsample.1", 4 * width)
            before = 4 * width
    return shapes | layer("fc", 1000, 2048)


def hugging_face_resnet50():
    return renamed(
        torchvision_resnet50(),
        (r"^conv1", "resnet.embedder.embedder.convolution"),
        (r"^bn1", "resnet.embedder.embedder.normalization"),
        (r"^layer(\d)\.(\d)", lambda m: f"resnet.encoder.stages.{int(m[1]) - 1}.layers.{m[2]}"),
        (r"downsample\.0", "shortcut.convolution"),
        (r"downsample\.1", "shortcut.normalization"),
        (r"\.conv(\d)", lambda m: f".layer.{int(m[1]) - 1}.convolution"),
        (r"\.bn(\d)", lambda m: f".layer.{int(m[1]) - 1}.normalization"),
        (r"^fc", "classifier.1"),
    )


def mmpretrain_resnet50():
    return renamed(torchvision_resnet50(), (r"^(?!fc)", "backbone."), (r"^fc", "head.fc"))


@pytest.mark.parametrize(
    "shapes", [torchvision_resnet50, hugging_face_resnet50, mmpretrain_resnet50]
)
def test_every_name_of_resnet_50_becomes_torchvisions(shapes):
    official = official_state(ResNet, marked(shapes()))
    assert {name: value.shape for name, value in official.state.items()} == torchvision_resnet50()


def official_pvt_tiny():
    """whai362's PVT-Tiny: 161 tensors."""
    dims, heads_of_mlp, reductions = (64, 128, 320, 512), (8, 8, 4, 4), (8, 4, 2, 1)
    shapes, before = {"cls_token": (1, 1, 512)}, 3
    for i, dim in enumerate(dims):
        kernel = 4 if i == 0 else 2
        side = 56 // 2**i
        shapes[f"pos_embed{i + 1}"] = (1, side * side + (i == 3), dim)
        shapes[f"patch_embed{i + 1}.proj.weight"] = (dim, before, kernel, kernel)
        shapes[f"patch_embed{i + 1}.proj.bias"] = (dim,)
        shapes |= layer(f"patch_embed{i + 1}.norm", dim)
        for block in range(2):
            own, ratio = f"block{i + 1}.{block}", reductions[i]
            shapes |= layer(f"{own}.norm1", dim) | layer(f"{own}.norm2", dim)
            shapes |= layer(f"{own}.attn.q", dim, dim) | layer(f"{own}.attn.kv", 2 * dim, dim)
            shapes |= layer(f"{own}.attn.proj", dim, dim)
            if ratio > 1:
                shapes[f"{own}.attn.sr.weight"] = (dim, dim, ratio, ratio)
                shapes[f"{own}.attn.sr.bias"] = (dim,)
                shapes |= layer(f"{own}.attn.norm", dim)
            hidden = dim * heads_of_mlp[i]
            shapes |= layer(f"{own}.mlp.fc1", hidden, dim) | layer(f"{own}.mlp.fc2", dim, hidden)
        before = dim
    return shapes | layer("norm", 512) | layer("head", 1000, 512)


def hugging_face_pvt_tiny():
    shapes = renamed(
        official_pvt_tiny(),
        (r"^cls_token", "pvt.encoder.patch_embeddings.3.cls_token"),
        (r"^pos_embed(\d)", lambda m: f"patch_embed{m[1]}.position_embeddings"),
        (r"^(patch_embed\d)\.proj", r"\1.projection"),
        (r"^(patch_embed\d)\.norm", r"\1.layer_norm"),
        (r"^patch_embed(\d)", lambda m: f"pvt.encoder.patch_embeddings.{int(m[1]) - 1}"),
        (r"^block(\d)", lambda m: f"pvt.encoder.block.{int(m[1]) - 1}"),
        (r"\.norm(\d)\.", r".layer_norm_\1."),
        (r"\.attn\.q\.", ".attention.self.query."),
        (r"\.attn\.sr\.", ".attention.self.sequence_reduction."),
        (r"\.attn\.norm\.", ".attention.self.layer_norm."),
        (r"\.attn\.proj\.", ".attention.output.dense."),
        (r"\.attn\.", ".attention.self."),
        (r"\.mlp\.fc", ".mlp.dense"),
        (r"^norm\.", "pvt.encoder.layer_norm."),
        (r"^head\.", "classifier."),
    )
    return split(shapes, "kv", ("key", "value"))


@pytest.mark.parametrize("shapes", [official_pvt_tiny, hugging_face_pvt_tiny])
def test_every_name_of_pvt_tiny_becomes_the_official_one(shapes):
    official = official_state(PVT, marked(shapes()))
    assert {name: value.shape for name, value in official.state.items()} == official_pvt_tiny()


def test_the_parts_of_a_projection_are_joined_in_their_order():
    state = {
        "swin.embeddings.patch_embeddings.projection.weight": np.zeros((4, 3, 4, 4), np.float32),
        **{
            f"swin.encoder.layers.0.blocks.0.attention.self.{part}.bias": np.full(4, i, np.float32)
            for i, part in enumerate(("query", "key", "value"))
        },
    }
    found = official_state(Swin, state).state["layers.0.blocks.0.attn.qkv.bias"]
    np.testing.assert_array_equal(found, np.repeat(np.arange(3), 4))


# Prefixes and parts


@pytest.fixture(scope="module")
def model():
    return create_model("swin_tiny", embed_dim=8, depths=(1, 1), num_heads=(1, 2), num_classes=3)


@pytest.mark.parametrize(
    "prefix",
    [
        "module.",
        "model.",
        "backbone.",
        "encoder.",
        "model.backbone.",
        "_orig_mod.module.",
        "a.b.c.",
    ],
)
def test_any_prefix_is_dropped_and_told(model, prefix):
    state = torch_state(model)
    report = load_torch_state(model, {f"{prefix}{name}": v for name, v in state.items()})
    assert len(report.loaded) == len(state)
    assert f"the names' prefix '{prefix}' dropped" in str(report)


def test_prefixes_may_be_mixed(model):
    state = torch_state(model)
    mixed = {
        (f"model.{n}" if n.startswith("head") else f"model.backbone.{n}"): v
        for n, v in state.items()
    }
    assert len(load_torch_state(model, mixed).loaded) == len(state)


def test_the_network_is_taken_from_a_larger_one_and_the_rest_is_told(model):
    state = {f"backbone.{name}": value for name, value in torch_state(model).items()}
    rest = {f"bbox_head.convs.{i}.weight": np.ones(1, np.float32) for i in range(12)}
    report = load_torch_state(model, {**state, **rest, "neck.fc.norm.weight": np.ones(1)})
    assert len(report.loaded) == len(state)
    assert report.ignored.keys() == {*rest, "neck.fc.norm.weight"}
    told = str(report)
    assert "13 tensors ignored: not of the network: 'bbox_head.convs.0.weight'" in told
    assert "and 3 more" in told


def test_a_projection_head_beside_the_network_is_no_classifier(model):
    """As DINO adds it: several layers under the classifier's name."""
    state = {f"backbone.{n}": v for n, v in torch_state(model).items() if "head" not in n}
    rest = {"head.mlp.0.weight": np.ones((2, 2)), "head.last_layer.weight_g": np.ones(2)}
    official = official_state(Swin, {**state, **rest})
    assert official.ignored.keys() == rest.keys()
    assert len(official.state) == len(state)


def test_names_made_to_take_time_take_little():
    state = {f"{'a.' * 400}{i}.head.weight": np.ones(1, np.float32) for i in range(2000)}
    state |= {f"{i}.head.weight": np.ones(1, np.float32) for i in range(2000)}
    with pytest.raises(UserError, match=r"several networks.* and \d\d more\."):
        official_state(Swin, state)


def test_unknown_names_below_the_prefix_are_not_left_out(model):
    state = {f"backbone.{name}": value for name, value in torch_state(model).items()}
    state["backbone.layers.7.extra"] = np.ones(1, np.float32)
    with pytest.raises(UserError, match=r"unexpected: layers\.7\.extra\."):
        load_torch_state(model, state)


def test_several_networks_are_a_choice(model):
    state = torch_state(model)
    both = {f"{p}.backbone.{n}": v for p in ("student", "teacher") for n, v in state.items()}
    with pytest.raises(
        UserError, match=r"several networks, under the prefixes 'student\.backbone\.', 'teacher\."
    ) as error:
        load_torch_state(model, both)
    assert "--key PREFIX" in str(error.value)


@pytest.mark.parametrize(
    ("cls", "names", "message"),
    [
        (Swin, ["layers.0.blocks.0.attn.cpb_mlp.0.weight"], "of Swin Transformer V2.*another arch"),
        (Swin, ["swinv2.encoder.layers.0.blocks.0.attention.self.logit_scale"], "Transformer V2"),
        (
            PVT,
            ["block1.0.mlp.dwconv.weight", "patch_embed1.proj.weight"],
            "of PVT v2.*PVT .v1. are",
        ),
        (PVT, ["patch_embed.proj.weight", "stages.0.blocks.0.mlp.dwconv.bias"], "PVT v2 of timm"),
        (PVT, ["backbone.layers.0.0.projection.weight"], "mmdetection's PVT.*whai362/PVT"),
        (ResNet, ["backbone.bottom_up.res2.0.conv1.weight"], "detectron2's ResNet.*torchvision"),
    ],
)
def test_other_architectures_are_named(cls, names, message):
    with pytest.raises(UserError, match=message):
        official_state(cls, {name: np.ones(1, np.float32) for name in names})


@pytest.mark.parametrize("cls", [Swin, PVT, ResNet, SAN])
def test_unknown_names_stay_as_they_are(cls):
    state = {"some.thing.weight": np.ones(1, np.float32)}
    official = official_state(cls, state)
    assert official.state.keys() == state.keys()
    assert official.notes == ()


def test_no_error_names_more_than_ten_tensors(model):
    state = {f"foo.{i}.weight": np.ones(1, np.float32) for i in range(500)}
    with pytest.raises(UserError) as error:
        load_torch_state(model, state)
    assert "and 490 more" in str(error.value)
    assert len(str(error.value)) < 1500


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e300])
def test_weights_that_are_no_numbers_are_refused_by_name(model, value):
    state = torch_state(model)
    before = state["head.bias"].copy()
    state["head.bias"] = np.full(3, value, np.float64)
    with pytest.raises(UserError, match=r"holds NaN or infinite values in head\.bias\. Take"):
        load_torch_state(model, state)
    np.testing.assert_array_equal(torch_state(model)["head.bias"], before)
