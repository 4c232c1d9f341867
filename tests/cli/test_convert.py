"""``acmix convert``: to a checkpoint and back, bit by bit, and what it refuses."""

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from acmix import create_model
from acmix.cli import main
from acmix.convert import torch_state

SMALL = {"embed_dim": 8, "depths": (1, 1), "num_heads": (1, 2), "window_size": 4}
OVERRIDE = "model.kwargs={embed_dim: 8, depths: [1, 1], num_heads: [1, 2], window_size: 4}"


@pytest.fixture
def official(tmp_path):
    """A file as the official implementation would write it, with a buffer."""
    state = torch_state(create_model("acmix_swin_tiny", **SMALL, num_classes=7))
    state["layers.0.blocks.0.attn.relative_position_index"] = np.arange(256)
    save_file(state, tmp_path / "official.safetensors")
    return tmp_path / "official.safetensors"


def test_there_and_back_is_bit_exact(official, tmp_path, capsys):
    checkpoint, back = tmp_path / "swin.ckpt", tmp_path / "back.safetensors"
    model = ["--model", "acmix_swin_tiny"]
    arguments = ["--from", "torch", str(official), OVERRIDE, *model, "--output", str(checkpoint)]
    assert main(["convert", *arguments]) == 0
    printed = capsys.readouterr().out
    assert "1 tensors ignored: a constant, computed from the window size" in printed
    arguments = ["--to", "torch", str(checkpoint), OVERRIDE, *model, "--output", str(back)]
    assert main(["convert", *arguments]) == 0
    expected, found = load_file(official), load_file(back)
    del expected["layers.0.blocks.0.attn.relative_position_index"]
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value, err_msg=name)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--from", "torch", "FILE", "--output", "swin.ckpt"], "needs --model NAME"),
        (["--from", "torch", "FILE", "--model", "swin_tiny", "--output", "x.bin"], "as .ckpt or"),
        (["--from", "torch", "FILE", "--model", "swin_tony", "--output", "x.ckpt"], "swin_tiny"),
        (
            ["--from", "torch", "FILE", "--model", "swin_tiny", "--output", "x.ckpt"],
            "unexpected: layers.0.blocks.0.attn.",
        ),
        (["--to", "torch", "FILE", "--model", "swin_tiny", "--output", "x.pth"], ".safetensors or"),
        (
            ["--to", "torch", "gone.ckpt", "--output", "x.npz"],
            "gone.ckpt: No such file or directory",
        ),
    ],
)
def test_mistakes_are_told_in_one_line(official, tmp_path, capsys, arguments, message):
    places = {"FILE": str(official), "x.ckpt": str(tmp_path / "x.ckpt")}
    assert main(["convert", *[places.get(word, word) for word in arguments]]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error
    assert not (tmp_path / "x.ckpt").exists()
