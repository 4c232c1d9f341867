"""`acmix report`: one file that holds everything of a run, and nothing else to fetch."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from cli.small_run import make_run, write_classes
from tasks.small_segmentation import make_run as make_segmenter

from acmix.cli import main
from acmix.config import load_config
from acmix.data import create_dataset
from acmix.tasks import get_task
from acmix.tasks.detection.agreement import f1_score
from acmix.tasks.detection.prediction import Detected
from acmix.workflows import predict
from acmix.workflows.worst import worst_images

EVIL = '<script>alert("x")</script> & more'
VOID = {"meta", "img"}
browser = pytest.mark.skipif(
    find_spec("PySide6.QtWebEngineWidgets" if find_spec("PySide6") else "PySide6") is None,
    reason="needs Chromium: pip install PySide6",
)


class Page(HTMLParser):
    """Checks that every tag is closed in its turn, and collects what a reader sees and follows."""

    def __init__(self, text):
        super().__init__()
        self.open, self.links, self.ids, self.rows, self.text = [], [], [], [], ""
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attributes):
        assert tag != "script"
        if tag not in VOID:
            self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        for name, value in attributes:
            if name in ("src", "href"):
                self.links.append(value)
            if name == "id":
                self.ids.append(value)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data
        if self.open and self.open[-1] in ("td", "th"):
            self.rows[-1].append(data)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    root = tmp_path_factory.mktemp("report")
    write_classes(root / "data", 4)
    folder = make_run(root / "run")
    config = load_config(folder / "config.yaml", [f"data.root={root / 'data'}"])
    (folder / "config.yaml").write_text(config.to_yaml(), encoding="utf-8")
    weights = {"a.alpha": 0.5, "a.beta": 0.25, "b.alpha": 1.0, "b.beta": 2.0}
    records = [
        {"epoch": 1.0, "step": 10, "loss": 2.0, "lr": 0.1, "top1": 0.5, "top5": 1.0,
         "val_loss": 1.9, "images_per_second": 80.0, "seconds": 60.0, "eval_seconds": 5.0,
         "scalars": weights},
        {"epoch": 2.0, "step": 20, "loss": 1.0, "lr": 0.05, "top1": 0.75, "top5": 1.0,
         "val_loss": 1.1, "images_per_second": 100.0, "seconds": 40.0, "eval_seconds": 4.0,
         "scalars": weights},
        {"epoch": 3.0, "step": 30, "loss": 0.5, "lr": 0.01, "top1": 0.625, "top5": 1.0,
         "val_loss": 1.2, "images_per_second": 90.0, "seconds": 40.0, "eval_seconds": 4.0,
         "scalars": weights},
    ]  # fmt: skip
    (folder / "metrics.jsonl").write_text("".join(json.dumps(r) + "\n" for r in records))
    report = {"top1": 0.625, "per_class": {"cat": 0.5, "=dog": None, EVIL: 0.25}}
    (folder / "evaluation.json").write_text(json.dumps(report))
    (folder / "environment.json").write_text(
        json.dumps({"versions": {"cpu": EVIL, "cores": 2}, "git_commit": "abc"})
    )
    return folder


def test_everything_of_a_run_is_in_one_file(run, capsys):
    assert main(["report", str(run), "--worst", "3"]) == 0
    assert f"Wrote {run / 'report.html'}" in capsys.readouterr().out
    text = (run / "report.html").read_text(encoding="utf-8")
    page = Page(text)
    parts = {link for link in page.links if link.startswith("#")}
    assert parts == {f"#{name}" for name in page.ids}
    assert len(parts) == 8
    pictures = [link for link in page.links if not link.startswith("#")]
    assert all(re.match(r"data:image/(png|jpeg);base64,", link) for link in pictures)
    assert len(pictures) == 1 + 3 + 2  # the curve, the worst images, the path weights
    assert not re.search(r"url\(|@import|http-equiv", text)
    assert EVIL in page.text
    assert EVIL not in text
    rows = {row[0]: row[1:] for row in page.rows if row}
    assert rows["best top-1"] == ["0.7500 after epoch 2"]
    assert rows["trained"] == ["3 epochs, 30 steps"]
    assert [row for row in page.rows if row and row[0] in ("cat", "=dog", EVIL)] == [
        [EVIL, "0.2500"], ["cat", "0.5000"], ["=dog", "not in the data"],
    ]  # fmt: skip
    assert rows["images/s of training, median"] == ["90.0"]
    assert rows["training"] == ["2:20"]
    assert rows["data.image_size"] == ["16", "224"]


def test_a_run_without_its_data_has_everything_else(run, tmp_path, capsys):
    target = tmp_path / "there.html"
    call = ["report", str(run), f"data.root={tmp_path / 'gone'}", "--output", str(target)]
    assert main(call) == 0
    assert "The report has no images: " in capsys.readouterr().out
    page = Page(target.read_text(encoding="utf-8"))
    assert "Not drawn: " in page.text
    assert "gone" in page.text
    assert "Curves" in page.text


def test_no_device_is_touched_without_images(run, tmp_path, monkeypatch):
    monkeypatch.setattr("acmix.workflows.worst.worst_images", None)
    target = tmp_path / "there.html"
    assert main(["report", str(run), "--images", "0", "--output", str(target)]) == 0
    assert "Worst images" not in target.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("evaluation.json", "{", "evaluation.json is damaged: it is no JSON"),
        ("classes.json", '{"a": 1}', "classes.json is damaged: it holds no list"),
    ],
)
def test_a_damaged_file_is_named(run, tmp_path, capsys, name, content, expected):
    folder = tmp_path / "run"
    folder.mkdir()
    assert main(["report", str(folder)]) == 2
    assert "is no run folder: it has no config.yaml" in capsys.readouterr().err
    (folder / "config.yaml").write_bytes((run / "config.yaml").read_bytes())
    (folder / name).write_text(content)
    assert main(["report", str(folder), "--images", "0"]) == 2
    assert expected in capsys.readouterr().err


def test_a_run_that_has_just_begun_has_a_report(run, tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "config.yaml").write_bytes((run / "config.yaml").read_bytes())
    assert main(["report", str(folder)]) == 0
    page = Page((folder / "report.html").read_text(encoding="utf-8"))
    assert "0 epochs, 0 steps" in page.text
    assert "folder without checkpoints" in page.text


def test_the_worst_images_have_the_least_probability_of_their_class(run):
    config = load_config(run / "config.yaml")
    checkpoint = run / "checkpoints" / "best.ckpt"
    data = create_dataset(config.data, "val", seed=0)
    expected = {}
    for prediction, label in zip(predict(checkpoint, data.names, top=3), range(12), strict=True):
        ranked = dict(zip(prediction.classes, prediction.probabilities, strict=True))
        expected[prediction.image] = ranked[data.classes[data.label(label)]]
    worst = worst_images(config, checkpoint, 5, among=100, score=0.3)
    assert worst.among == 12
    assert [image.name for image in worst.images] == sorted(expected, key=expected.get)[:5]
    for image in worst.images:
        assert image.agreement == pytest.approx(expected[image.name], abs=1e-5)


def test_a_segmenters_agreement_is_the_share_of_right_pixels(tmp_path):
    run = make_segmenter(tmp_path)
    data = create_dataset(run.config.data, "val", seed=0)
    worst = worst_images(run.config, run.checkpoint, 1, among=50, score=0.3)
    shares = []
    for index, prediction in enumerate(predict(run.checkpoint, data.names, run.config)):
        pairs = zip(prediction.labels.ravel(), data.ground_truth(index).ravel(), strict=True)
        counted = [found == true for found, true in pairs if true != 255]
        shares.append(sum(counted) / len(counted))
    assert worst.images[0].agreement == pytest.approx(min(shares))


def detected(*objects):
    boxes = np.array([box for box, _ in objects], float).reshape(-1, 4)
    labels = np.array([label for _, label in objects], int)
    scores = np.linspace(1, 0.5, len(objects))
    return Detected("a.png", boxes, scores, labels, tuple("?" * len(objects)), (100, 100))


A, B, CROWD = (0, 0, 10, 10), (50, 50, 70, 70), (0, 50, 40, 90)
NEAR_A = (0, 0, 10, 6)  # 0.6 of A
FAR_FROM_A = (0, 0, 10, 4)


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ([(A, 0), (B, 1)], 1.0),
        ([(NEAR_A, 0)], 2 * 1 / (1 + 2)),
        ([(A, 0), (NEAR_A, 0)], 2 * 1 / (2 + 2)),  # an object is found once
        ([(FAR_FROM_A, 0), (B, 1)], 2 * 1 / (2 + 2)),
        ([(A, 1), (B, 0)], 0.0),  # of other classes
        ([(A, 0), ((5, 55, 15, 65), 1)], 2 * 1 / (1 + 2)),  # on the crowd: counts neither way
        ([(A, 0), ((5, 55, 15, 65), 0)], 2 * 1 / (2 + 2)),  # of another class than the crowd
        ([], 0.0),
    ],
)
def test_a_detectors_agreement_is_the_f1_score(found, expected):
    from acmix.data.annotations import Record

    boxes = np.array([A, B, CROWD], float)
    truth = Record(
        "a.png", 1, 100, 100, boxes, np.array([0, 1, 1], np.int32), np.ones(3),
        np.array([False, False, True]),
    )  # fmt: skip
    assert f1_score(detected(*found), truth) == pytest.approx(expected)
    nothing = truth.select(np.array([], int))
    assert np.isnan(f1_score(detected(), nothing))
    assert f1_score(detected((A, 0)), nothing) == 0


def test_the_shapes_themselves_agree_with_themselves():
    config = load_config(None, ["task=detection", "data.name=shapes"])
    data = create_dataset(config.data, "val", seed=0)
    truth = data.objects(0)
    found = detected(*zip(truth.boxes.tolist(), truth.labels.tolist(), strict=True))
    assert get_task("detection").agreement(data, 0, found) == 1.0


@browser
def test_a_browser_shows_the_page_without_complaint(run, tmp_path):
    main(["report", str(run), "--output", str(tmp_path / "page.html")])
    program = Path(__file__).with_name("browser.py")
    settings = {"QT_QPA_PLATFORM": "offscreen", "QTWEBENGINE_CHROMIUM_FLAGS": "--no-sandbox"}
    call = [sys.executable, program, tmp_path / "page.html"]
    found = subprocess.run(
        call, env={**os.environ, **settings}, capture_output=True, text=True, timeout=120
    )
    assert found.returncode == 0, found.stderr
    seen = json.loads(found.stdout.splitlines()[-1])
    assert seen["console"] == []
    assert seen["title"] == "resnet26"
    assert seen["broken"] == 0
    assert seen["images"] >= 3
    assert seen["overflow"] == 0  # nothing is wider than the window
