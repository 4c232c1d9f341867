"""What the published transformers with a class token are beyond what every model must be."""

import mindspore as ms
import numpy as np
import pytest
import shrunk
from convert.golden_models import build, load_golden
from golden_arrays import load
from mindspore import Tensor

from acmix import create_model
from acmix.convert import load_torch_state
from acmix.engine.optim import parameter_groups
from acmix.errors import UserError
from acmix.export import fuse
from acmix.layers.drop_path import DropPath
from acmix.models.vit import sine_positions
from acmix.tasks.classification.objective import ClassificationLoss, Logits
from acmix.utils.parameters import get_value, set_value


def small(name, **changes):
    return create_model(name, **{**shrunk.shallow(name), "num_classes": 4, **changes})


def undecayed(model):
    groups = parameter_groups(model, 0.05)
    return {p.name for group in groups if not group["weight_decay"] for p in group["params"]}


@pytest.mark.parametrize(
    ("name", "names"),
    [
        ("convit_tiny", {"stages.0.position.pos_embed", "stages.0.token.cls_token"}),
        ("t2t_vit_7", {"stages.0.position.cls_token"}),
        ("cvt_13", {"stages.2.token.cls_token"}),
        ("conformer_tiny", {"stages.0.first.token.cls_token"}),
    ],
)
def test_what_does_not_decay_beside_vectors(name, names):
    model = small(name)
    vectors = {p.name for p in model.trainable_params() if p.ndim == 1}
    assert undecayed(model) == names | vectors
    assert any(name.endswith(".gamma") for name in vectors)


def test_positions_of_t2t_are_sines_that_are_not_trained():
    model = create_model("t2t_vit_7", depth=1)
    position = get_value(model.stages[0].position.pos_embed)[0]
    assert position.shape == (197, 256)
    assert not model.stages[0].position.pos_embed.requires_grad
    for at, channel in ((0, 0), (3, 0), (3, 1), (196, 10), (196, 255)):
        angle = at / 10000 ** ((channel - channel % 2) / 256)
        expected = np.cos(angle) if channel % 2 else np.sin(angle)
        assert position[at, channel] == pytest.approx(expected, abs=1e-6)
    np.testing.assert_array_equal(sine_positions(197, 256), position)


def test_t2t_takes_the_scale_of_the_released_weights(rng):
    ms.set_context(mode=ms.PYNATIVE_MODE)
    golden = load_golden("t2t_performer_small")
    model = build("t2t_performer_small")
    block = model.stages[0].blocks[0].attn.attention
    assert block.scale == 16**-0.5
    released = create_model("t2t_vit_7", depth=1, qk_scale=256**-0.5)
    assert released.stages[0].blocks[0].attn.attention.scale == 256**-0.5
    load_torch_state(model, golden.state)
    for own in model.stages[0].blocks:
        own.attn.attention.scale = 32**-0.5
    assert np.abs(model(Tensor(golden.input)).asnumpy() - golden.output).max() > 1e-3


def test_paths_of_cvt_are_dropped_in_the_last_stage_alone():
    model = create_model("cvt_13", embed_dims=(8, 8, 8), num_heads=(1, 1, 1), drop_path_rate=0.1)
    rates = [1 - c.keep for _, c in model.cells_and_names() if isinstance(c, DropPath)][::2]
    np.testing.assert_allclose(rates, [0, 0, 0, *np.linspace(0, 0.1, 10)], atol=1e-9)


def test_values_of_convit_start_as_its_input():
    model = create_model("convit_tiny", depth=2, local_depth=1)
    local, last = (block.attn.qkv.weight.asnumpy() for block in model.stages[0].blocks)
    np.testing.assert_array_equal(local[384:], np.eye(192))
    assert 0.01 < local[:384].std() < 0.03
    assert np.abs(last[384:]).max() < 0.2


@pytest.mark.parametrize("labels", [np.array([0, 3], np.int32), np.eye(10, dtype=np.float32)[:2]])
def test_conformer_learns_by_both_classifiers_and_answers_by_their_sum(labels, mostly_pynative):
    golden, arrays = load_golden("conformer_small_fixture"), load("conformer_small_fixture")
    separate = [arrays.out_conv, arrays.out_trans]
    model = build("conformer_small_fixture")
    load_torch_state(model, golden.state)
    images = Tensor(golden.input)
    for found, expected in zip(model.training_logits(images), separate, strict=True):
        np.testing.assert_allclose(found.asnumpy(), expected, atol=5e-5)
    total = Logits(model)(images).asnumpy()
    np.testing.assert_allclose(total, separate[0] + separate[1], atol=5e-5)

    (loss,) = ClassificationLoss(model)(images, Tensor(labels))
    classes = labels.argmax(1) if labels.ndim == 2 else labels
    losses = [np.log(np.exp(x).sum(1)) - x[np.arange(2), classes] for x in separate]
    assert float(loss.asnumpy()) == pytest.approx(np.mean(losses), abs=1e-5)


def test_one_classifier_of_conformer_follows_each_branch(rng):
    model = small("conformer_tiny").set_train(False)
    ms.set_context(mode=ms.PYNATIVE_MODE)
    x = Tensor(rng.standard_normal((1, 3, 40, 40)).astype(np.float32))
    before = [y.asnumpy() for y in model.training_logits(x)]
    bias = model.head.trans_cls_head.bias
    set_value(bias, np.ones(bias.shape))
    after = [y.asnumpy() for y in model.training_logits(x)]
    np.testing.assert_array_equal(after[0], before[0])
    np.testing.assert_allclose(after[1], before[1] + 1, atol=1e-6)


@pytest.mark.parametrize("name", ["convit_tiny", "t2t_vit_7", "cvt_13"])
def test_zeros_beyond_the_border_make_patches_whole(name, rng):
    """An image is what it is with zeros at the bottom and right up to whole patches."""
    ms.set_context(mode=ms.PYNATIVE_MODE)
    model = small(name).set_train(False)
    whole = rng.standard_normal((1, 3, 48, 64)).astype(np.float32)
    cut = (45, 63) if name == "cvt_13" else (35, 50)
    whole[:, :, cut[0] :] = 0
    whole[:, :, :, cut[1] :] = 0
    part = whole[:, :, : cut[0], : cut[1]]
    found, expected = model(Tensor(part)).asnumpy(), model(Tensor(whole)).asnumpy()
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_norms_behind_convolutions_are_folded():
    for name in ("cvt_13", "conformer_tiny"):
        form = fuse(small(name))
        kinds = {type(cell).__name__ for _, cell in form.cells_and_names()}
        assert "BatchNorm2d" not in kinds


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("convit_tiny", {"local_depth": 12}, "local_depth must be from 0 to depth - 1 = 11"),
        ("convit_tiny", {"num_heads": 5}, "multiple of num_heads"),
        ("acmix_convit_tiny", {"combine": "conv"}, "class token"),
        ("t2t_vit_7", {"tokens": "performers"}, "Did you mean 'performer'"),
        ("t2t_vit_7", {"token_dropout": 1.0}, "dropout must be at least 0 and below 1"),
        ("cvt_13", {"depths": (1, 1)}, "equally long"),
        ("conformer_tiny", {"depths": (4, 4, 4)}, "4 stages, the last of 1 block"),
        ("conformer_tiny", {"width": 30}, "width must be a multiple of 4"),
    ],
)
def test_bad_requests_are_explained(name, arguments, message):
    with pytest.raises(UserError, match=message):
        create_model(name, **arguments)
