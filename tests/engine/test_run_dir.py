"""The run folder: refuses to overwrite, drops lines of the future, survives a cut line."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from acmix.engine.checkpoint import Progress
from acmix.engine.run_dir import RunDir, git_commit
from acmix.errors import UserError


@pytest.fixture
def run_dir(tmp_path):
    return RunDir(tmp_path / "run", versions={"mindspore": "2.8.0"})


def test_start_writes_configuration_versions_and_commit(run_dir):
    run_dir.initialise("seed: 1\n")
    assert run_dir.config_file.read_text() == "seed: 1\n"
    environment = json.loads(run_dir.environment_file.read_text())
    assert environment == {"versions": {"mindspore": "2.8.0"}, "git_commit": git_commit()}


def test_commit_outside_of_a_checkout_is_none(monkeypatch, tmp_path):
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "nowhere"))
    assert git_commit() is None


def test_folder_that_holds_a_run_is_refused_with_both_remedies(run_dir):
    run_dir.check_unused()
    run_dir.initialise("seed: 1\n")
    with pytest.raises(UserError, match=r"already holds a run.*--resume auto.*output=PATH"):
        run_dir.check_unused()


def test_empty_existing_folder_is_accepted(run_dir):
    run_dir.path.mkdir()
    run_dir.check_unused()


def test_resuming_drops_the_lines_after_the_step(run_dir):
    run_dir.initialise("")
    for step in (5, 10, 15, 20):
        run_dir.log({"step": step})
    run_dir.initialise("", Progress(step=10))
    assert run_dir.metrics() == [{"step": 5}, {"step": 10}]


def test_line_cut_off_by_a_crash_is_forgotten(run_dir):
    run_dir.initialise("")
    run_dir.log({"step": 1})
    with open(run_dir.metrics_file, "a") as file:
        file.write('{"step": 2, "lo')
    run_dir.initialise("", Progress(step=2))
    run_dir.log({"step": 3})
    assert run_dir.metrics() == [{"step": 1}, {"step": 3}]


@pytest.mark.parametrize("line", ["[1]", "7", '"a"', "{}", '{"step": "3"}', "\xff", "[" * 9999])
def test_foreign_lines_are_left_out(run_dir, line):
    run_dir.initialise("")
    run_dir.log({"step": 1})
    with open(run_dir.metrics_file, "ab") as file:
        file.write(line.encode("latin-1") + b"\n")
    run_dir.initialise("", Progress(step=2))
    assert run_dir.metrics() == [{"step": 1}]


def test_class_names_are_written_when_the_run_starts(run_dir):
    run_dir.initialise("", classes=("蚂蚁", "b"))
    assert json.loads(run_dir.classes_file.read_text()) == ["蚂蚁", "b"]


def test_the_line_of_an_epoch_whose_evaluation_is_missing_is_written_again(run_dir):
    run_dir.initialise("")
    for step in (5, 10):
        run_dir.log({"step": step})
    run_dir.initialise("", Progress(epoch=1, step=10, pending=True))
    assert run_dir.metrics() == [{"step": 5}]


def test_the_line_of_a_milestone_inside_an_epoch_is_written_again_if_it_is_not_concluded(run_dir):
    run_dir.initialise("")
    for step in (5, 10, 11):
        run_dir.log({"step": step})
    inside = Progress(step=10, position=80, steps_per_epoch=16)
    run_dir.initialise("", inside)
    assert run_dir.metrics() == [{"step": 5}, {"step": 10}]
    run_dir.initialise("", replace(inside, pending=True))
    assert run_dir.metrics() == [{"step": 5}]


def test_a_folder_removed_in_training_is_told_in_one_line(run_dir):
    run_dir.initialise("")
    shutil.rmtree(run_dir.path)
    with pytest.raises(UserError, match=r"was moved or removed during training.*at step 7"):
        run_dir.log({"step": 7})


def test_metrics_that_are_a_folder_are_told_in_one_line(run_dir):
    run_dir.initialise("")
    run_dir.metrics_file.unlink()
    run_dir.metrics_file.mkdir()
    for act in (run_dir.metrics, lambda: run_dir.log({"step": 1})):
        with pytest.raises(UserError, match=r"metrics\.jsonl: Is a directory"):
            act()


def test_full_disk_is_told_when_a_line_is_written(run_dir):
    run_dir.initialise("")
    run_dir.metrics_file = Path("/dev/full")
    with pytest.raises(UserError, match="No space left on device"):
        run_dir.log({"step": 1})


def test_values_json_does_not_know_become_null(run_dir):
    run_dir.initialise("")
    run_dir.log({"step": 1, "loss": float("nan"), "scalars": {"a": float("inf"), "b": 1.5}})
    assert run_dir.metrics() == [{"step": 1, "loss": None, "scalars": {"a": None, "b": 1.5}}]
