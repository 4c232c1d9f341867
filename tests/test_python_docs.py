"""The Python of docs/python.md runs, each section alone, with smaller networks."""

from __future__ import annotations

import json
import re
from pathlib import Path

import mindspore as ms
import pytest
from variants import exhaustive
from workplace import make_workplace

from acmix.config import load_config
from acmix.workflows.runs import build_model
from acmix.workflows.weights import save_model

DOCUMENT = Path(__file__).parent.parent / "docs" / "python.md"
SECTIONS = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", DOCUMENT.read_text(), re.M | re.S))
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.M | re.S)
SLOW = {"Fine-tune a classifier", "A training loop of your own", "In mindcv"}


@pytest.fixture
def workplace(tmp_path, monkeypatch):
    """A folder with the files that the document names, in which networks are small."""
    make_workplace(tmp_path, monkeypatch)
    run = Path("runs/animals")
    (run / "checkpoints").mkdir(parents=True)
    config = load_config(None, ["model.name=acmix_swin_tiny", "runtime.mode=pynative"])
    (run / "config.yaml").write_text(config.to_yaml())
    (run / "classes.json").write_text(json.dumps(["ant", "bee"]))
    save_model(build_model(config, 2), run / "checkpoints" / "best.ckpt")


def run_section(title):
    names = {}
    for block in BLOCK.findall(SECTIONS[title]):
        own = {"__name__": "example"}  # MindSpore asks a function for its module
        exec(block, own)  # noqa: S102
        names |= own
    return names


WITH_CODE = [title for title, text in SECTIONS.items() if BLOCK.search(text)]


@pytest.mark.parametrize("title", exhaustive(WITH_CODE, set(WITH_CODE) - SLOW))
def test_the_blocks_of_a_section_run(title, workplace, capsys):
    if "mindcv" in title:
        pytest.importorskip("mindcv")
    names = run_section(title)
    printed = capsys.readouterr().out
    if title == "The operator in your own network":
        assert [names[name].shape for name in ("y", "z", "out")] == [
            (2, 64, 28, 20), (1, 14, 14, 96), (1, 32, 16, 16),
        ]  # fmt: skip
    if title == "Load and predict":
        assert "Write image.transpose(1, 2, 0)." in printed
        assert Path("out/cat.png").is_file()
        assert names["tensor"].shape == (3, 224, 224)
    if title == "Fine-tune a classifier":
        assert set(names["found"].classes) == {"ant", "bee"} == set(names["classes"])
    if title == "A training loop of your own":
        assert printed.count("\n") == 2
        assert names["again"].num_classes == 2


NOTEBOOK = DOCUMENT.parent / "tour.ipynb"


def cells_of_notebook():
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    assert not any(cell.get("outputs") for cell in cells), "keep the notebook without outputs"
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]


@pytest.mark.exhaustive
def test_the_notebook_runs(tmp_path, monkeypatch, capsys):
    (tmp_path / "docs").mkdir()
    (tmp_path / "configs").symlink_to(NOTEBOOK.parent.parent / "configs")
    monkeypatch.chdir(tmp_path / "docs")
    ms.set_context(mode=ms.PYNATIVE_MODE)  # with which MindSpore begins
    names = {"__name__": "notebook"}
    for cell in cells_of_notebook():
        exec(cell, names)  # noqa: S102
    assert names["result"].metrics["top1"] > 0.3  # of ten classes
    assert names["found"][0]._repr_png_().startswith(b"\x89PNG")
    assert capsys.readouterr().out.count("- predicted") == 5


def test_the_notebook_is_one():
    compiled = [compile(cell, f"cell {k}", "exec") for k, cell in enumerate(cells_of_notebook())]
    assert len(compiled) >= 5
