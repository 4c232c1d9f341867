"""``acmix audit``: files, networks by name, kept inventories, exit codes, mistakes."""

import json

import mindspore as ms
import pytest
from mindspore import Tensor, nn

from acmix.cli import main

SMALL = ["model.kwargs={width: 8, depths: [1, 1, 1, 1]}", "--input-size", "32"]


@pytest.fixture
def exported(tmp_path):
    def export(**arguments):
        path = tmp_path / "net.mindir"
        images = Tensor(shape=(1, 8, 6, 6), dtype=ms.float32)
        ms.export(
            nn.Conv2d(8, 16, 3, **arguments), images, file_name=str(path), file_format="MINDIR"
        )
        return str(path)

    return export


@pytest.mark.parametrize(("groups", "code", "verdict"), [(1, 0, "PASS"), (4, 1, "FAIL")])
def test_the_exit_code_is_the_verdict(groups, code, verdict, exported, tmp_path, capsys):
    report = tmp_path / "audit.json"
    assert main(["audit", exported(group=groups), "--json", str(report)]) == code
    levels = ", ".join(f"{level} {verdict}" for level in ("O0", "O2", "AIR"))
    assert f"net.mindir: {verdict} ({levels})." in capsys.readouterr().out
    assert json.loads(report.read_text())["verdict"] == verdict


def test_a_model_by_name_is_built_as_on_ascend(capsys):
    assert main(["audit", "acmix_resnet26", *SMALL, "--markdown"]) == 0
    printed = capsys.readouterr().out
    assert "acmix_resnet26, inference, 1x3x32x32: PASS" in printed
    assert "| Conv2D | " in printed


def test_review_fails_only_strictly(tmp_path, capsys):
    config = tmp_path / "net.yaml"
    config.write_text("model: {name: resnet26, kwargs: {width: 8, depths: [1, 1, 1, 1]}}\n")
    arguments = ["audit", str(config), "--training", "--input-size", "32"]
    assert main(arguments) == 0
    assert "training step, 2x3x32x32: REVIEW (O0 REVIEW, O2 REVIEW)." in capsys.readouterr().out
    assert main([*arguments, "--strict"]) == 1


@pytest.mark.parametrize("level", ["O0", "O2", "AIR"])
def test_one_level_is_audited_alone(level, exported, capsys):
    assert main(["audit", exported(), "--level", level]) == 0
    assert f"net.mindir: PASS ({level} PASS)." in capsys.readouterr().out


def test_kept_inventories_are_shown(capsys):
    assert main(["audit", "--load", "docs/ascend", "--markdown"]) == 0
    printed = capsys.readouterr().out
    assert "| Conv2D | " in printed
    assert "registered for Ascend in MindSpore 2.8.0" in printed


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "name one .mindir file"),
        (["a.mindir", "resnet26"], "name one .mindir file"),
        (["missing.mindir"], "missing.mindir: No such file"),
        (["missing.yaml"], "missing.yaml"),
        (["resnet51"], "Did you mean 'resnet50'"),
        (["a.mindir", "--training"], "audited as it is"),
        (["a.mindir", "train.amp=O2"], "audited as it is"),
        (["resnet26", "--training", "--level", "AIR"], "--level AIR is for inference"),
        (["a.mindir", "--load", "docs/ascend"], "name one .mindir file"),
        (["--load", "missing.json"], "missing.json does not exist"),
    ],
)
def test_mistakes_are_explained(arguments, message, capsys):
    assert main(["audit", *arguments]) == 2
    assert message in capsys.readouterr().err


def test_a_file_can_be_exported_for_every_target():
    from acmix.cli.commands.export import _TARGETS
    from acmix.utils.target import TARGETS

    assert sorted(_TARGETS.values()) == sorted(TARGETS)
