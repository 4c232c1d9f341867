"""What 'acmix train' says about how training ended, and its exit code."""

import os
import signal

import pytest

from acmix import workflows
from acmix.cli import main
from acmix.engine import FitResult
from acmix.engine.checkpoint import Progress


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
        (
            FitResult(progress(epoch=2, step=22), {"top1": 0.5}, 3.0),
            "Finished in 3 s: top1 0.5000  -> TMP/run",
        ),
    ],
)
def test_end_is_told_as_it_was(result, line, ended):
    assert ended(lambda *_: result) == (0, line)


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
