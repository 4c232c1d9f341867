"""What 'acmix train' says about how training ended, and its exit code."""

import os
import shlex
import signal
from pathlib import Path

import pytest

from acmix import workflows
from acmix.cli import main, make_parser
from acmix.engine import FitResult
from acmix.engine.checkpoint import Progress
from acmix.utils.next_commands import next_commands


@pytest.fixture
def ended(tmp_path, monkeypatch, capsys):
    """Run the command with a training that ends in some way; return exit code and last line."""
    file = tmp_path / "c.yaml"
    file.write_text("")

    def run(train):
        monkeypatch.setattr(workflows, "train", train)
        code = main(["train", str(file), f"output={tmp_path}/run"])
        return code, capsys.readouterr().out.splitlines()[-1].replace(str(tmp_path), "TMP")

    return run


def progress(**values):
    return Progress(seed=0, steps_per_epoch=11, workers=1, **values)


@pytest.mark.parametrize(
    ("result", "line"),
    [
        (
            FitResult(progress(epoch=1, step=14, position=48), stopped_by="Ctrl-C"),
            "Stopped by Ctrl-C after step 14, which is saved in TMP/run/checkpoints; continue with "
            "--resume auto",
        ),
        (
            FitResult(progress(epoch=2, step=22, pending=True), stopped_by="SIGTERM"),
            "Stopped by SIGTERM before the evaluation of step 22, which is saved in "
            "TMP/run/checkpoints; --resume auto evaluates it and continues",
        ),
    ],
)
def test_end_is_told_as_it_was(result, line, ended):
    assert ended(lambda *_: result) == (0, line)


def test_end_names_the_best_epoch_and_three_commands_that_a_shell_and_the_parser_take(
    tmp_path, monkeypatch, capsys
):
    run = tmp_path / "my run's"
    best = run / "checkpoints" / "best.ckpt"
    best.parent.mkdir(parents=True)
    best.touch()
    (run / "config.yaml").touch()
    done = progress(epoch=3, step=33, best=0.75, best_step=22)
    result = FitResult(done, {"top1": 0.5}, 63.0, example=f"{tmp_path}/a cat.png")
    monkeypatch.setattr(workflows, "train", lambda *_: result)
    (tmp_path / "c.yaml").touch()
    assert main(["train", str(tmp_path / "c.yaml"), f"output={run}"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"Finished in 1:03: top1 0.5000  -> {run}"
    assert lines[1] == f"Best: top1 0.7500 after epoch 2  -> {best}"
    words = [shlex.split(line) for line in lines[3:]]
    config = str(run / "config.yaml")
    assert words == [
        ["acmix", "eval", config, "--checkpoint", str(best), "--per-class"],
        ["acmix", "predict", str(best), f"{tmp_path}/a cat.png"],
        ["acmix", "export", config, "--checkpoint", str(best), "--format", "mindir", "--output",
         f"{run}/best.mindir"],
    ]  # fmt: skip
    for command in words:
        make_parser().parse_args(command[1:])


def test_folder_that_begins_with_a_dash_is_no_option():
    assert next_commands(Path("-x"))[1] == "acmix predict ./-x/checkpoints/last.ckpt IMAGE"


@pytest.mark.parametrize(
    ("number", "name"), [(signal.SIGTERM, "SIGTERM"), (signal.SIGINT, "Ctrl-C")]
)
def test_signal_before_training_has_the_exit_code_of_shells(number, name, ended, heard):
    heard(number)

    def train(config, resume, interruption):
        with interruption.ending_at_once("before the first step: there is nothing to save"):
            os.kill(os.getpid(), number)
            pytest.fail("went on")

    line = f"Stopped by {name} before the first step: there is nothing to save."
    assert ended(train) == (128 + number, line)
