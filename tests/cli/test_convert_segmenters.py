"""``acmix convert`` of whole segmenters, with the names of mmsegmentation."""

from __future__ import annotations

import mindspore as ms
import numpy as np
import pytest
from export.random_weights import draw_anew
from golden_arrays import load
from mindspore import Tensor
from safetensors.numpy import load_file, save_file
from torch_files import Files

from acmix.cli import main
from acmix.convert import torch_state
from acmix.engine import load_weights
from acmix.models.segmentation import create_segmenter
from acmix.utils.modes import execution_mode
from acmix.workflows.runs import open_checkpoint

BODY = {"embed_dim": 8, "depths": (1, 1), "num_heads": (1, 2), "window_size": 4,
        "out_indices": (0, 1)}  # fmt: skip
KEYS = [
    "model.kwargs={embed_dim: 8, depths: [1, 1], num_heads: [1, 2], window_size: 4, "
    "out_indices: [0, 1], mask_padding: false}",
    "segmenter.kwargs={channels: 6, auxiliary_channels: 4}",
]
NAME = "upernet_swin_tiny"


@pytest.fixture(scope="module")
def state():
    model = create_segmenter(NAME, 7, BODY, channels=6, auxiliary_channels=4)
    return torch_state(draw_anew(model, np.random.default_rng(0)))


def convert(file, output, *overrides, model=NAME, keys=KEYS):
    call = ["convert", "--from", "torch", str(file), *keys, *overrides, "--model", model]
    return main([*call, "--output", str(output)])


@pytest.fixture
def file(state, tmp_path):
    save_file(state, tmp_path / "mmseg.safetensors")
    return tmp_path / "mmseg.safetensors"


def test_there_and_back_is_bit_exact(file, state, tmp_path):
    checkpoint, back = tmp_path / "x.ckpt", tmp_path / "back.safetensors"
    assert convert(file, checkpoint) == 0
    call = ["convert", "--to", "torch", str(checkpoint), *KEYS, "--model", NAME]
    assert main([*call, "--output", str(back)]) == 0
    found = load_file(back)
    assert found.keys() == state.keys()
    for name, value in state.items():
        np.testing.assert_array_equal(found[name], value, err_msg=name)
    assert len(load_weights(checkpoint)["decode_head.classifier.conv_seg.bias"]) == 7


def test_a_checkpoint_of_mmengine(state, tmp_path, capsys):
    """The weights lie beside other things, and under the names of parallel training."""
    files, output = Files(), tmp_path / "x.ckpt"
    tensors = files.tensors({f"module.{name}": value for name, value in state.items()})
    content = {"meta": {"epoch": 3}, "state_dict": tensors, "message_hub": {"log": "x"}}
    (tmp_path / "iter_160000.pth").write_bytes(files.archive(content))
    assert convert(tmp_path / "iter_160000.pth", output, "--key", "state_dict") == 0
    assert f"{len(state)} parameters set" in capsys.readouterr().out
    np.testing.assert_array_equal(
        load_weights(output)["decode_head.classifier.conv_seg.bias"],
        state["decode_head.conv_seg.bias"],
    )


def test_a_file_without_auxiliary_head_keeps_the_new_one(file, state, tmp_path, capsys):
    save_file({k: v for k, v in state.items() if not k.startswith("auxiliary_head")}, file)
    assert convert(file, tmp_path / "x.ckpt") == 0
    printed = capsys.readouterr().out
    assert "the file has no weights of the auxiliary head, which only training uses" in printed
    assert len(load_weights(tmp_path / "x.ckpt")["auxiliary_head.classifier.conv_seg.bias"]) == 7


def test_an_auxiliary_head_that_the_network_lacks_is_left_out(file, tmp_path, capsys):
    without = [KEYS[0], "segmenter.kwargs={channels: 6, auxiliary_weight: 0}"]
    assert convert(file, tmp_path / "x.ckpt", keys=without) == 0
    printed = capsys.readouterr().out
    assert "7 tensors ignored: of the auxiliary head, which only training uses, which this" in (
        printed
    )
    assert not any("auxiliary" in name for name in load_weights(tmp_path / "x.ckpt"))


@pytest.mark.parametrize(
    ("model", "change", "message"),
    [
        (NAME, "body", "there is no classifier of upernet_swin_tiny"),
        ("semantic_fpn_swin_tiny", None, "decode_head.scale_heads.0.0.bn.weight"),
        (
            "retinanet_swin_tiny",
            None,
            "The names are of a Segmenter; name such",
        ),
        ("upernet_swin_tony", None, "Did you mean 'upernet_swin_tiny'"),
        (NAME, "wide", "psp_modules.2.1.bn.bias ((6,) instead of (8,))"),
        (NAME, "--num-classes=5", "model.num_classes=5 is less than the 7 classes"),
    ],
)
def test_mistakes_are_told_in_one_line(file, state, tmp_path, capsys, model, change, message):
    keys = [] if model == "retinanet_swin_tiny" else KEYS
    if change == "body":
        save_file({k: v for k, v in state.items() if k.startswith("backbone.")}, file)
    elif change == "wide":
        keys = [KEYS[0], "segmenter.kwargs={channels: 8, auxiliary_channels: 4}"]
    elif change:
        keys = [*KEYS, change]
    if model.startswith("semantic_fpn"):
        keys = [KEYS[0], "segmenter.kwargs={channels: 8}"]
    assert convert(file, tmp_path / "x.ckpt", model=model, keys=keys) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not (tmp_path / "x.ckpt").exists()


PUBLIC = {
    "semantic_fpn_pvt": [
        "model.kwargs={embed_dims: [8, 16, 20, 32], num_heads: [1, 2, 5, 8], depths: [1, 1, 1, 1], "
        "mlp_ratios: [4, 4, 2, 2], sr_ratios: [8, 4, 2, 1], image_size: 64}",
        "segmenter.kwargs={neck_channels: %(neck_channels)d, channels: %(channels)d}",
    ],
    "upernet_swin": [
        "model.kwargs={embed_dim: 8, depths: [2, 1, 1, 1], num_heads: [1, 2, 4, 8], "
        "window_size: 4, mask_padding: false}",
        "segmenter.kwargs={channels: %(channels)d, auxiliary_channels: %(auxiliary_channels)d}",
    ],
}


@pytest.mark.parametrize("name", PUBLIC)
def test_files_of_the_public_networks_give_their_logits(name, tmp_path):
    golden = load(name)
    keys = [PUBLIC[name][0], PUBLIC[name][1] % golden.meta]
    np.savez(tmp_path / "x.npz", **golden.state)
    assert convert(tmp_path / "x.npz", tmp_path / "x.ckpt", model=f"{name}_tiny", keys=keys) == 0
    model, _ = open_checkpoint(tmp_path / "x.ckpt", f"{name}_tiny", keys)
    with execution_mode(ms.PYNATIVE_MODE):
        logits = model(Tensor(golden.in_image)).asnumpy()
    scale = np.abs(golden.out_logits).max()
    np.testing.assert_allclose(logits, golden.out_logits, rtol=0, atol=1e-5 * scale)
