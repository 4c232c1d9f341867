"""``acmix predict``: what it takes, what it writes, and that it keeps nothing in memory."""

from __future__ import annotations

import csv
import json
import sys

import numpy as np
import pytest
from cli.small_run import CLASSES, make_run, write_images

from acmix import workflows
from acmix.cli import main
from acmix.engine.checkpoint import Progress, save_checkpoint
from acmix.engine.checkpoint_folder import file_name
from acmix.errors import UserError


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("runs") / "small")


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    return write_images(tmp_path_factory.mktemp("photos"), 5)


def folder_of(images):
    return images[0].rpartition("/")[0]


def test_a_folder_a_pattern_and_a_list_name_the_same_images(run, images, tmp_path, capsys):
    (tmp_path / "list.txt").write_text("\n".join(images))
    answers = []
    for argument in (folder_of(images), f"{folder_of(images)}/*.png", f"@{tmp_path}/list.txt"):
        assert main(["predict", str(run), argument, "--json", "-"]) == 0
        answers.append(json.loads(capsys.readouterr().out))
    assert [entry["image"] for entry in answers[0]] == images
    assert answers[0] == answers[1] == answers[2]


@pytest.mark.parametrize("size", [1, 2, 8])
def test_the_batch_size_changes_no_prediction(run, images, size):
    found = list(workflows.predict(run, images, batch_size=size))
    alone = [next(workflows.predict(run, [image])) for image in images]
    assert len({one.probabilities for one in alone}) == len(images)
    for one, expected in zip(found, alone, strict=True):
        assert (one.image, one.classes) == (expected.image, expected.classes)
        np.testing.assert_allclose(one.probabilities, expected.probabilities, atol=1e-6)


def test_a_run_folder_stands_for_its_best_checkpoint_else_for_the_newest(run, tmp_path, caplog):
    assert workflows.model_file(run) == run / "checkpoints" / "best.ckpt"
    assert workflows.model_file(run / "config.yaml") == run / "config.yaml"
    checkpoints = tmp_path / "started" / "checkpoints"
    checkpoints.mkdir(parents=True)
    for epoch in (1, 2):
        progress = Progress(step=epoch, epoch=epoch)
        save_checkpoint(checkpoints / file_name(progress), {}, progress)
    assert workflows.model_file(tmp_path / "started") == checkpoints / "epoch_0002.ckpt"
    assert "has no best.ckpt yet" in caplog.text
    with pytest.raises(UserError, match="is a folder without checkpoints; name a run folder"):
        workflows.model_file(tmp_path)


def test_a_table_has_a_row_for_each_class(run, images, tmp_path, capsys):
    file = tmp_path / "found.csv"
    assert main(["predict", str(run), *images, "--csv", str(file), "--top", "2"]) == 0
    with open(file, newline="", encoding="utf-8") as text:
        rows = list(csv.DictReader(text))
    assert list(rows[0]) == ["image", "rank", "class", "probability"]
    assert [row["image"] for row in rows] == [image for image in images for _ in range(2)]
    assert [row["rank"] for row in rows] == ["1", "2"] * 5
    (expected, *_) = workflows.predict(run, images, top=2)
    assert [row["class"] for row in rows[:2]] == list(expected.classes)
    assert {row["class"] for row in rows} <= set(CLASSES)
    assert float(rows[0]["probability"]) == pytest.approx(expected.probabilities[0])


def test_lists_are_those_that_json_would_write(run, images, tmp_path, capsys):
    out, report = tmp_path / "out", tmp_path / "report.json"
    options = ["--output", str(out), "--json", str(report)]
    assert main(["predict", str(run), *images, *options]) == 0
    entries = [one.to_dict() for one in workflows.predict(run, images)]
    assert json.loads(report.read_text()) == [json.loads(json.dumps(one)) for one in entries]
    assert report.read_text() == (out / "predictions.json").read_text()
    assert sorted(path.name for path in out.iterdir()) == [
        *(image.rpartition("/")[2] for image in images), "predictions.json",
    ]  # fmt: skip


def test_pictures_in_the_folder_itself_are_not_read_again(run, tmp_path, capsys):
    images = write_images(tmp_path / "photos", 2)
    for _ in range(2):
        call = ["predict", str(run), str(tmp_path / "photos"), "--json", "-"]
        assert main([*call, "--output", str(tmp_path / "photos" / "found")]) == 0
        found = json.loads(capsys.readouterr().out)
        assert [entry["image"] for entry in found] == images


@pytest.mark.parametrize("option", ["--json", "--csv"])
def test_no_image_of_a_folder_is_replaced(run, option, tmp_path, capsys):
    (image,) = write_images(tmp_path / "photos", 1)
    before = (tmp_path / "photos" / "0000.png").read_bytes()
    assert main(["predict", str(run), str(tmp_path / "photos"), option, image]) == 2
    assert f"{image} is the input {image}, which would be lost" in capsys.readouterr().err
    assert (tmp_path / "photos" / "0000.png").read_bytes() == before


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--score", "1.5"], "'1.5' is not a number from 0 to 1"),
        (["--score", "nan"], "'nan' is not a number from 0 to 1"),
        (["--batch-size", "0"], "'0' is not a whole number of at least 1"),
    ],
)
def test_impossible_options_are_told(run, images, options, message, capsys):
    with pytest.raises(SystemExit):
        main(["predict", str(run), images[0], *options])
    assert message in capsys.readouterr().err


class Terminal:
    """A standard error that is a terminal."""

    def __init__(self, stream):
        self._stream = stream

    def __getattr__(self, name):
        return getattr(self._stream, name)

    def isatty(self):
        return True


def test_a_terminal_shows_a_bar_below_the_lines(run, images, monkeypatch, capsys):
    assert main(["predict", str(run), *images]) == 0
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(sys, "stderr", Terminal(sys.stderr))
    assert main(["predict", str(run), *images]) == 0
    printed = capsys.readouterr()
    assert "0/5" in printed.err
    assert " images/s" in printed.err
    assert "images/s" not in printed.out
    assert printed.err.rpartition("\r")[2].strip() == ""  # nothing stays
