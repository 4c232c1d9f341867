"""``acmix convert``: to a checkpoint and back, bit by bit, and what it refuses."""

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from torch_files import Files

from acmix import create_model
from acmix.cli import main
from acmix.convert import torch_state
from acmix.engine import load_weights

SMALL = {"embed_dim": 8, "depths": (1, 1), "num_heads": (1, 2), "window_size": 4}
WRITE = ["--output", "x.ckpt"]
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


def test_one_of_several_sets_of_weights_is_chosen(tmp_path, capsys):
    files, state = Files(), torch_state(create_model("swin_tiny", **SMALL, num_classes=7))
    average = {name: value + 1 for name, value in state.items()}
    content = {
        "state_dict": files.tensors({f"module.{name}": v for name, v in state.items()}),
        "state_dict_ema": files.tensors(average),
    }
    file, output = tmp_path / "model_best.pth.tar", tmp_path / "swin.ckpt"
    file.write_bytes(files.archive(content))
    call = ["convert", "--from", "torch", str(file), OVERRIDE, "--model", "swin_tiny"]
    assert main([*call, "--output", str(output)]) == 2
    error = capsys.readouterr().err
    assert (
        f"several sets of weights: 'state_dict' ({len(state)} tensors), 'state_dict_ema'" in error
    )
    assert error.count("\n") == 1
    assert main([*call, "--key", "state_dict_ema", "--output", str(output)]) == 0
    printed = capsys.readouterr().out
    assert f"The weights are under 'state_dict_ema' in {file}" in printed
    np.testing.assert_array_equal(load_weights(output)["norm.beta"], average["norm.bias"])


def test_names_in_a_file_do_not_reach_the_terminal(official, tmp_path, capsys):
    state = {f"backbone.{name}": value for name, value in load_file(official).items()}
    save_file({**state, "neck.\x1b[2J": np.ones(1)}, official)
    call = ["--from", "torch", str(official), OVERRIDE, "--model", "acmix_swin_tiny"]
    assert main(["convert", *call, "--output", str(tmp_path / "x.ckpt")]) == 0
    assert r"1 tensors ignored: not of the network: 'neck.\x1b[2J'" in capsys.readouterr().out


def test_weights_that_are_no_numbers_are_not_converted(official, tmp_path, capsys):
    state = load_file(official)
    state["norm.weight"][3] = np.nan
    save_file(state, official)
    call = ["--from", "torch", str(official), OVERRIDE, "--model", "acmix_swin_tiny"]
    assert main(["convert", *call, "--output", str(tmp_path / "x.ckpt")]) == 2
    assert "holds NaN or infinite values in norm.weight" in capsys.readouterr().err
    assert not (tmp_path / "x.ckpt").exists()


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
        (["--to", "torch", "FILE", "--key", "ema", "--output", "x.npz"], "it needs --from torch"),
        (
            [
                "--from",
                "torch",
                "FILE",
                "--model",
                "swin_tiny",
                "--key",
                "ema",
                "--output",
                "x.ckpt",
            ],
            "holds no tensors under 'ema'",
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
