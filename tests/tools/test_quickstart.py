"""The quickstart on one epoch of the digits: everything it promises is written and true."""

import json
import shlex
from pathlib import Path

import pytest

from acmix.cli import main
from acmix.engine import load_weights
from acmix.tools.quickstart import run

CONFIGS = Path(__file__).parents[2] / "configs" / "classification"


@pytest.mark.exhaustive
def test_quickstart_writes_what_it_promises(tmp_path, capsys):
    tiny = (
        "train.epochs=1",
        "model.kwargs.embed_dim=8",
        "model.kwargs.depths=[1]",
        "model.kwargs.num_heads=[2]",
        "data.batch_size=256",
        "schedule.warmup_epochs=0",
        "runtime.mode=pynative",  # training in the graph is tested elsewhere
    )
    returned = run(CONFIGS, tmp_path, tiny)
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary == returned
    for name in ("top1", "top1_attention", "top1_conv"):
        assert 0 <= summary[name] <= 1
    assert summary["mindir_max_abs_diff"] < 1e-5
    assert summary["fps"].keys() == {"acmix", "attention", "conv"}
    assert min(summary["fps"].values()) > 0
    assert summary["seconds"] > 0
    printed = capsys.readouterr().out
    assert "convolution only" in printed
    ahead = summary["top1"] - max(summary["top1_attention"], summary["top1_conv"])
    assert f"ACmix is {100 * abs(ahead):.1f} points {'below' if ahead < 0 else 'above'}" in printed
    commands = [shlex.split(line) for line in printed.partition("Next:\n")[2].splitlines()[-3:]]
    assert [command[1] for command in commands] == ["eval", "analyze", "train"]
    for command in commands[:2]:  # the third wants a folder of images
        assert main(command[1:]) == 0

    weights = load_weights(tmp_path / "ACmix" / "checkpoints" / "last.ckpt")
    alphas = [name for name in summary["path_weights"] if name.endswith("alpha")]
    assert len(alphas) == 1
    for name in alphas:
        assert summary["path_weights"][name] == pytest.approx(float(weights[name][0]))
    for twin, absent in (("attention only", "conv_path"), ("convolution only", "attention")):
        names = load_weights(tmp_path / twin / "checkpoints" / "last.ckpt")
        assert not any(f".{absent}." in name for name in names)
