"""Starting from other weights: the same function, a new classifier, and what is refused."""

import logging

import mindspore as ms
import numpy as np
import pytest
from torch_files import Files

from acmix import create_model, workflows
from acmix.config import load_config
from acmix.convert import torch_state, write_state
from acmix.engine import load_weights
from acmix.errors import UserError
from acmix.layers.path_weights import path_weights
from acmix.tools.analysis.path_bias import path_biases
from acmix.utils.parameters import get_value, set_value
from acmix.workflows import weights
from acmix.workflows.runs import open_checkpoint
from acmix.workflows.weights import WeightFile, load_model, save_model

SMALL = {"embed_dim": 6, "depths": (2, 1), "num_heads": (1, 2), "window_size": 4, "patch_size": 2}


def make(name, num_classes=3, **arguments):
    """A small Swin with every parameter drawn anew, so that no path is trivial."""
    generator = np.random.default_rng(sum(map(ord, name)) + num_classes)
    arguments = {**SMALL, "num_classes": num_classes, **arguments}
    model = create_model(name, **arguments).set_train(False)
    for parameter in model.get_parameters():
        if parameter.requires_grad:
            set_value(parameter, get_value(parameter) + generator.normal(0, 0.2, parameter.shape))
    return model


def warm_start(model, path, mode="strict", reset_head=False, key=None):
    weights.warm_start(model, WeightFile(path, key), mode, reset_head)


def values(model):
    return {p.name: get_value(p) for p in model.get_parameters()}


@pytest.fixture(autouse=True)
def _pynative():
    """Most tests compare one output; only those of the graph wait for a compiler."""
    ms.set_context(mode=ms.PYNATIVE_MODE)
    yield
    ms.set_context(mode=ms.GRAPH_MODE)


@pytest.fixture
def images(rng):
    return ms.Tensor(rng.normal(size=(2, 3, 20, 28)).astype(np.float32))


@pytest.fixture(params=["ours", "torch"])
def plain(request, tmp_path):
    """A plain Swin and a file of its weights, of either kind."""
    model = make("swin_tiny")
    if request.param == "ours":
        file = tmp_path / "swin.ckpt"
        save_model(model, file)
    else:
        file = tmp_path / "swin.safetensors"
        write_state(torch_state(model), file)
    return model, file


def test_exact_start_computes_what_the_plain_model_does(plain, images):
    model, file = plain
    twin = make("acmix_swin_tiny")
    before = np.abs(twin(images).asnumpy() - model(images).asnumpy()).max()
    warm_start(twin, file, "exact")
    np.testing.assert_allclose(twin(images).asnumpy(), model(images).asnumpy(), rtol=0, atol=1e-5)
    assert before > 0.1
    for cell in (twin.stages[0].blocks[1].attn, twin.stages[1].blocks[0].attn):
        assert cell.path_weights() == {"alpha": 1.0, "beta": 0.0}
        assert np.abs(get_value(cell.conv_path.fc_weight)).max() > 0


def test_exact_start_reaches_a_graph_compiled_before(tmp_path, images):
    ms.set_context(mode=ms.GRAPH_MODE)
    model, twin = make("swin_tiny", depths=(1, 0)), make("acmix_swin_tiny", depths=(1, 0))
    twin(images)
    save_model(model, tmp_path / "swin.ckpt")
    warm_start(twin, tmp_path / "swin.ckpt", "exact")
    np.testing.assert_allclose(twin(images).asnumpy(), model(images).asnumpy(), rtol=0, atol=1e-5)


def test_complementary_weights_start_exactly_too(plain, images):
    model, file = plain
    twin = make("acmix_swin_tiny", combine="complement")
    warm_start(twin, file, "exact")
    np.testing.assert_allclose(twin(images).asnumpy(), model(images).asnumpy(), rtol=0, atol=1e-5)


def test_a_new_classifier_leaves_the_rest_exact(plain, images, caplog):
    model, file = plain
    twin = make("acmix_swin_tiny", num_classes=5)
    head = get_value(twin.head.weight)
    with caplog.at_level(logging.INFO):
        warm_start(twin, file, "exact", reset_head=True)
    assert "new classifier of 5 classes" in caplog.text
    np.testing.assert_array_equal(get_value(twin.head.weight), head)
    pooled = [net.forward_head(net.forward_features(images), True) for net in (model, twin)]
    np.testing.assert_allclose(pooled[1].asnumpy(), pooled[0].asnumpy(), rtol=0, atol=1e-5)


def test_safetensors_of_ours_and_of_torch_are_told_apart(tmp_path):
    model = make("swin_tiny")
    save_model(model, tmp_path / "ours.safetensors")
    write_state(torch_state(model), tmp_path / "torch.safetensors")
    for name in ("ours", "torch"):
        other = make("swin_tiny", num_classes=4)
        warm_start(other, tmp_path / f"{name}.safetensors", reset_head=True)
        np.testing.assert_array_equal(get_value(other.norm.gamma), get_value(model.norm.gamma))
    other = create_model("swin_tiny", **SMALL, num_classes=3)
    load_model(other, tmp_path / "ours.safetensors")
    assert all((value == values(model)[name]).all() for name, value in values(other).items())
    with pytest.raises(UserError, match=r"torch\.safetensors .*PyTorch's.*acmix convert"):
        load_model(other, tmp_path / "torch.safetensors")


def test_the_classifier_is_new_even_if_the_number_of_classes_is_the_same(plain):
    other = make("swin_tiny", num_classes=3)
    set_value(other.head.weight, np.full(other.head.weight.shape, 9.0))
    warm_start(other, plain[1], reset_head=True)
    assert (get_value(other.head.weight) == 9).all()
    np.testing.assert_array_equal(get_value(other.norm.gamma), get_value(plain[0].norm.gamma))


def test_strict_start_takes_everything(plain):
    twin = create_model("swin_tiny", **SMALL, num_classes=3, drop_path_rate=0.3)
    warm_start(twin, plain[1])
    found = values(twin)
    for name, value in values(plain[0]).items():
        np.testing.assert_array_equal(found[name], value, err_msg=name)


def test_another_number_of_classes_is_refused_with_the_remedy(plain):
    with pytest.raises(UserError, match=r"pretrained=.*head\.weight.*model\.reset_head=true"):
        warm_start(make("swin_tiny", num_classes=5), plain[1])


def test_a_strict_start_of_an_acmix_model_from_its_twin_names_the_remedy(plain):
    with pytest.raises(UserError, match=r"missing.*(rate1|alpha).*model\.warm_start=exact"):
        warm_start(make("acmix_swin_tiny"), plain[1])


def test_exact_start_from_an_acmix_model_would_lose_its_paths(tmp_path):
    save_model(make("acmix_swin_tiny"), tmp_path / "acmix.ckpt")
    with pytest.raises(
        UserError, match=r"unexpected: .*alpha.*start with model\.warm_start=strict"
    ):
        warm_start(make("acmix_swin_tiny"), tmp_path / "acmix.ckpt", "exact")


def test_exact_start_from_another_architecture_names_what_is_no_convolution_path(tmp_path):
    small = {"width": 8, "depths": (1, 1), "num_classes": 2}
    save_model(create_model("resnet26", **small), tmp_path / "resnet.ckpt")
    with pytest.raises(UserError, match=r"missing: .*qkv\.weight.*unexpected: .*conv2\.weight"):
        warm_start(create_model("acmix_resnet26", **small), tmp_path / "resnet.ckpt", "exact")


@pytest.mark.parametrize("combine", ["sum", "alpha", "conv"])
def test_paths_of_fixed_weight_cannot_start_at_zero(plain, combine):
    with pytest.raises(UserError, match=f"combine='{combine}' of 'stages.0.blocks.0.attn' fixes"):
        warm_start(make("acmix_swin_tiny", combine=combine), plain[1], "exact")


def test_exact_start_of_a_model_without_convolution_paths_is_refused(plain):
    with pytest.raises(UserError, match="has no convolution path"):
        warm_start(make("swin_tiny"), plain[1], "exact")


@pytest.mark.parametrize("how", ["reset_head=true", "warm_start=exact", "pretrained_key=ema"])
def test_how_to_start_needs_something_to_start_from(how):
    with pytest.raises(UserError, match=rf"model\.{how.split('=')[0]}.*name a file"):
        load_config(None, [f"model.{how}"])


def test_a_key_chooses_in_a_file_of_pytorch(tmp_path, caplog):
    model, files = make("swin_tiny"), Files()
    state = torch_state(model)
    content = {
        "student": files.tensors({f"backbone.{name}": v * 0 for name, v in state.items()}),
        "teacher": files.tensors({f"backbone.{name}": v for name, v in state.items()}),
    }
    (tmp_path / "dino.pth").write_bytes(files.archive(content))
    other = create_model("swin_tiny", **SMALL, num_classes=3)
    with pytest.raises(UserError, match=r"pretrained=.*several sets.*model\.pretrained_key=NAME"):
        warm_start(other, tmp_path / "dino.pth")
    caplog.set_level(logging.INFO)
    warm_start(other, tmp_path / "dino.pth", key="teacher")
    assert "the names' prefix 'backbone.' dropped" in caplog.text
    for name, value in values(model).items():
        np.testing.assert_array_equal(values(other)[name], value, err_msg=name)
    save_model(model, tmp_path / "ours.ckpt")
    with pytest.raises(UserError, match="chooses in a file of PyTorch; this one is"):
        warm_start(other, tmp_path / "ours.ckpt", key="teacher")


def test_weights_that_are_no_numbers_are_refused(tmp_path):
    model = make("swin_tiny")
    set_value(model.norm.gamma, np.full(model.norm.gamma.shape, np.nan))
    save_model(model, tmp_path / "bad.ckpt")
    other = make("swin_tiny", num_classes=3)
    before = values(other)
    for load in (load_model, warm_start):
        with pytest.raises(UserError, match=r"holds NaN or infinite values in norm\.gamma\. Take"):
            load(other, tmp_path / "bad.ckpt")
    for name, value in before.items():
        np.testing.assert_array_equal(values(other)[name], value, err_msg=name)


def test_random_states_stay_with_their_run(tmp_path):
    source, target = (create_model("swin_tiny", **SMALL, drop_path_rate=0.5) for _ in range(2))
    save_model(source, tmp_path / "swin.ckpt")
    assert not any("random_state" in name for name in load_weights(tmp_path / "swin.ckpt"))
    before = values(target)
    load_model(target, tmp_path / "swin.ckpt")
    states = [name for name in before if name.endswith("random_state")]
    assert states
    for name in states:
        np.testing.assert_array_equal(values(target)[name], before[name])


def test_training_begins_at_the_plain_model_and_beta_leaves_zero(tmp_path):
    """One epoch on the digits, then on without the file it began from."""
    small = {"embed_dim": 8, "depths": [1, 1], "num_heads": [1, 2], "window_size": 4}
    tuples = {key: tuple(v) if isinstance(v, list) else v for key, v in small.items()}
    source = create_model("swin_tiny", **tuples, patch_size=2, in_channels=1, num_classes=7)
    save_model(source, tmp_path / "plain.ckpt")
    config = load_config(
        None,
        [
            "data={name: digits, image_size: 8, channels: 1, mean: [0], std: [1], batch_size: 256,"
            " scale: null, hflip: 0}",
            f"model={{name: acmix_swin_tiny, kwargs: {{patch_size: 2, **}}, pretrained: "
            f"{tmp_path / 'plain.ckpt'}, warm_start: exact, reset_head: true}}".replace(
                "**", ", ".join(f"{key}: {value}" for key, value in small.items())
            ),
            "train.epochs=1",
            "runtime.mode=pynative",
            f"output={tmp_path / 'run'}",
        ],
    )
    workflows.train(config)
    weights = load_weights(tmp_path / "run" / "checkpoints" / "last.ckpt")
    betas = [float(value[0]) for name, value in weights.items() if name.endswith(".attn.beta")]
    alphas = [float(value[0]) for name, value in weights.items() if name.endswith(".attn.alpha")]
    assert len(betas) == 2
    assert all(0 < abs(beta) < 0.1 for beta in betas)
    assert all(abs(alpha - 1) < 0.1 for alpha in alphas)
    trained = weights["stages.0.blocks.0.attn.qkv.weight"]
    began = get_value(source.stages[0].blocks[0].attn.qkv.weight)
    np.testing.assert_allclose(trained, began, atol=0.05)

    (tmp_path / "plain.ckpt").unlink()
    checkpoint = tmp_path / "run" / "checkpoints" / "last.ckpt"
    assert workflows.evaluate(config, checkpoint)
    model, _ = open_checkpoint(checkpoint)  # its run folder says which model it is
    assert [bias.beta for bias in path_biases(path_weights(model))] == betas
    workflows.train(config, resume="auto")
