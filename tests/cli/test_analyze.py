"""``acmix analyze`` on checkpoints and run folders."""

import csv
import json
import re
from dataclasses import replace

import cv2
import numpy as np
import pytest
from PIL import Image

from acmix import create_model
from acmix.cli import main
from acmix.tools.analysis import complexity, count_tables, paper
from acmix.utils.parameters import set_value
from acmix.workflows.weights import save_model

SMALL = {"embed_dim": 8, "depths": (1, 1), "num_heads": (1, 2), "window_size": 4}
MODEL = [
    "--model", "acmix_swin_tiny",
    "model.kwargs={embed_dim: 8, depths: [1, 1], num_heads: [1, 2], window_size: 4}",
]  # fmt: skip


@pytest.fixture
def checkpoint(tmp_path):
    """A checkpoint without a run folder; the first operator's beta is negative."""
    model = create_model("acmix_swin_tiny", **SMALL, num_classes=7)
    set_value(model.stages[0].blocks[0].attn.beta, np.array([-0.25]))
    save_model(model, tmp_path / "swin.ckpt")
    return tmp_path / "swin.ckpt"


def test_path_bias_of_checkpoints_names_undefined_ratios(checkpoint, tmp_path, capsys):
    other = tmp_path / "again" / "checkpoints" / "last.ckpt"
    other.parent.mkdir(parents=True)
    other.write_bytes(checkpoint.read_bytes())
    folder = tmp_path / "fig5"
    arguments = ["path-bias", str(checkpoint), str(other), *MODEL, "--output", str(folder)]
    assert main(["analyze", *arguments]) == 0
    printed = capsys.readouterr().out
    assert "2 times: swin: stages.0.blocks.0.attn, again: stages.0.blocks.0.attn" in printed
    lines = list(csv.DictReader((folder / "path_bias.csv").open()))
    assert [(line["run"], float(line["beta"])) for line in lines] == [
        ("swin", -0.25), ("swin", 0.5), ("again", -0.25), ("again", 0.5),
    ]  # fmt: skip
    assert cv2.imread(str(folder / "path_bias.png")) is not None


def test_attention_of_an_image(checkpoint, tmp_path, capsys, rng):
    pixels = rng.integers(0, 255, (40, 60, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "image.png")
    target = tmp_path / "maps.png"
    arguments = [str(checkpoint), str(tmp_path / "image.png"), *MODEL, "data.image_size=32"]
    arguments += ["--query", "10,20", "--output", str(target)]
    assert main(["analyze", "attention", *arguments]) == 0
    printed = capsys.readouterr().out
    assert "2 heads of stages.1.blocks.0.attn" in printed
    assert re.search(r"image.png: +\d+\.\d\d %  \d+$", printed, re.MULTILINE)  # the class
    assert cv2.imread(str(target)).shape[0] > 100
    arguments[arguments.index("10,20")] = "10,32"
    assert main(["analyze", "attention", *arguments]) == 2
    assert "outside of the image of 32 x 32" in capsys.readouterr().err


def test_curve_of_run_folders(tmp_path):
    record = {"epoch": 1, "step": 3, "scalars": {"m.alpha": 0.4, "m.beta": 0.6}}
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "metrics.jsonl").write_text(json.dumps(record) + "\n")
    folders = [str(tmp_path / name) for name in ("a", "b")]
    assert main(["analyze", "curve", *folders, "--output", str(tmp_path / "curve.png")]) == 0
    assert cv2.imread(str(tmp_path / "curve.png")) is not None


def test_complexity_prints_theory_and_practice(monkeypatch, capsys):
    entry = paper.PaperComplexity("R26", "acmix_resnet26", "resnet26")
    monkeypatch.setattr(complexity, "PAPER_COMPLEXITY", (entry,))
    assert main(["analyze", "complexity", "--markdown"]) == 0
    printed = capsys.readouterr().out
    assert "| self-attention | II | 2 k_a² C | 0 |" in printed
    assert "| module | stage | R26 GFLOPs | params (M) |" in printed


def test_summary_prints_the_table_of_the_paper(monkeypatch, tmp_path, capsys):
    models = tuple(row for row in paper.PAPER_MODELS if row.name == "resnet26")
    table = replace(count_tables.COUNT_TABLES["paper"], rows=models)
    monkeypatch.setitem(count_tables.COUNT_TABLES, "paper", table)
    counts = str(tmp_path / "counts.json")
    assert main(["summary", "--table", "paper", "--markdown", "--json", counts]) == 0
    printed = capsys.readouterr().out
    assert "| ResNet 26, resnet26 | 13.70 | 13.7 |" in printed
    assert main(["summary", "--table", "paper", "--markdown", "--load", counts]) == 0
    assert capsys.readouterr().out == printed
    for arguments in ([], ["resnet26", "--table", "paper"]):
        assert main(["summary", *arguments]) == 2
        assert "--table paper" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["path-bias", "CHECKPOINT", "--output", "x"], "config.yaml is missing"),
        (["path-bias", "CHECKPOINT", "CHECKPOINT", "--output", "x"], "name each path once"),
        (["curve", "nowhere", "--output", "x.png"], "metrics.jsonl does not exist"),
    ],
)
def test_mistakes_are_told_in_one_line(checkpoint, capsys, arguments, message):
    words = [str(checkpoint) if word == "CHECKPOINT" else word for word in arguments]
    assert main(["analyze", *words]) == 2
    assert message in capsys.readouterr().err


def test_a_query_that_is_no_pixel_is_refused(capsys):
    with pytest.raises(SystemExit):
        main(["analyze", "attention", "a.ckpt", "b.png", "--query", "3x4", "--output", "c.png"])
    assert "not a pixel Y,X" in capsys.readouterr().err
