"""`acmix ablate` on the digits: rows, files, resuming, and runs that do not belong together."""

from __future__ import annotations

import json
from pathlib import Path

import mindspore as ms
import numpy as np
import pytest
from tiny_ade20k import make_ade20k

from acmix.cli import main
from acmix.config import load_config
from acmix.layers.acmix import COMBINATIONS
from acmix.layers.conv_path import VARIANTS
from acmix.tools.ablation_report import Row, render
from acmix.tools.bench.machine import machine_facts

CONFIGS = Path(__file__).resolve().parents[2] / "configs" / "ablation"
ROWS = [str(CONFIGS / "paths" / "alpha.yaml"), str(CONFIGS / "kernel" / "shift.yaml")]
DIGITS = [
    "data={name: digits, image_size: 16, channels: 1, mean: [0.3], std: [0.3], scale: null, "
    "batch_size: 700}",
    "model.kwargs.embed_dim=6",
    "model.kwargs.depths=[1, 1]",
    "model.kwargs.num_heads=[1, 2]",
    "schedule.warmup_epochs=0",
    "train.epochs=1",
    "runtime.mode=pynative",
]
MEASURE = ["--batch-size", "2", "--warmup", "1", "--repeats", "2"]


def ablate(output, *overrides, rows=ROWS):
    settings = [*DIGITS, *overrides, "--output", str(output), *MEASURE]
    return main(["ablate", *rows, *settings])


@pytest.fixture(autouse=True, scope="module")
def _graph_mode_afterwards():
    yield
    ms.set_context(mode=ms.GRAPH_MODE)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    output = tmp_path_factory.mktemp("ablation")
    assert ablate(output) == 0
    return output


def test_each_file_is_a_row_of_one_measurement(finished):
    content = json.loads((finished / "ablation.json").read_text())
    assert [row["name"] for row in content["rows"]] == ["alpha", "shift"]
    timings = content["measurement"]["timings"]
    assert [(timing["name"], len(timing["seconds"])) for timing in timings] == [
        ("alpha", 2),
        ("shift", 2),
    ]
    for row in content["rows"]:
        (metrics,) = row["metrics"]
        assert row["summary"]["top1"] == {"mean": metrics["top1"], "deviation": 0}
        assert 0 <= metrics["top1"] <= 1
        assert row["fps"] > 0
        assert Path(row["checkpoints"][0]).is_file()
    alpha, shift = content["rows"]
    kernels, betas = (6 + 12) * 9 * 3 * 3, 2
    assert alpha["params"] - shift["params"] == kernels - betas
    for row, learned in ((alpha, False), (shift, True)):
        (weights,) = row["path_weights"]
        values = [value for name, value in weights.items() if name.endswith("beta")]
        assert len(values) == betas
        assert all(value == 1 for value in values) != learned
    assert content["configurations"]["shift"]["model"]["kwargs"]["conv_variant"] == "shift"


def test_tables_hold_a_line_per_row(finished):
    markdown = (finished / "table.md").read_text().splitlines()
    assert [line.split("|")[1].strip() for line in markdown[2:]] == ["alpha", "shift"]
    text = (finished / "table.txt").read_text()
    assert "top-1" in text
    assert "|" not in text


@pytest.mark.exhaustive
def test_a_second_call_measures_again_without_training(finished, capsys):
    before = (finished / "alpha" / "metrics.jsonl").read_bytes()
    assert ablate(finished) == 0
    assert (finished / "alpha" / "metrics.jsonl").read_bytes() == before
    assert "images/s" in capsys.readouterr().out


def test_runs_of_another_configuration_are_not_shown_as_this_one(finished, capsys):
    assert ablate(finished, "optim.lr=0.5") == 2
    assert "differs from the configuration asked for" in capsys.readouterr().err


def test_every_seed_is_a_run_and_a_row_has_their_mean(tmp_path, capsys):
    output = tmp_path / "out"
    assert ablate(output, "--seeds", "3", "7", rows=ROWS[:1]) == 0
    content = json.loads((output / "ablation.json").read_text())
    (row,) = content["rows"]
    assert row["checkpoints"] == [
        str(output / "alpha" / f"seed{seed}" / "checkpoints" / "last.ckpt") for seed in (3, 7)
    ]
    seeds = [load_config(output / "alpha" / f"seed{seed}" / "config.yaml").seed for seed in (3, 7)]
    assert seeds == [3, 7]
    values = [run["val_loss"] for run in row["metrics"]]
    assert values[0] != values[1]
    mean, deviation = np.mean(values), np.std(values, ddof=1)
    assert row["summary"]["val_loss"] == pytest.approx({"mean": mean, "deviation": deviation})
    printed = capsys.readouterr().out
    assert "± " in printed
    assert "(2 seeds)" in printed

    assert main(["ablate", "--load", str(output / "ablation.json"), "--markdown"]) == 0
    loaded = capsys.readouterr().out
    assert loaded.startswith((output / "table.md").read_text().rstrip())
    assert "the paper's, ImageNet |\n" in loaded
    assert "81.6 (it or beta)" in loaded
    assert "MindSpore" in loaded.splitlines()[-1]


def saved(folder, **weights):
    """Write an ablation.json whose rows have two runs of a network of two operators each."""
    rows = [
        Row(name, ("a", "b"), 9, 9, [{"top1": 0.5}] * 2, [one, two], 1.0).to_dict()
        for name, (one, two) in weights.items()
    ]
    file = folder / "ablation.json"
    file.write_text(json.dumps({"rows": rows, "environment": machine_facts()}))
    return file


def of_paths(alpha, beta):
    return {"stages.0.alpha": alpha, "stages.0.beta": beta, "x.alpha": 1.0, "x.beta": 2 * beta}


def test_the_plot_draws_rows_that_learn_both_paths(tmp_path):
    both = (of_paths(1.5, 0.5), of_paths(2.0, 0.25))
    idle = (of_paths(1.0, 1.0) | {"x.beta": 1.0},) * 2
    pictures = []
    for rows in (
        {"both": both},
        {"both": both, "sum": idle, "attention": ({"stages.0.alpha": 0.5},) * 2},
        {"both": both, "random": both[::-1]},
    ):
        pictures.append(tmp_path / f"{len(pictures)}.png")
        words = ["--load", str(saved(tmp_path, **rows)), "--plot", str(pictures[-1])]
        assert main(["ablate", *words]) == 0
    alone, same, legend = (file.read_bytes() for file in pictures)
    assert alone == same != legend


def test_a_plot_of_rows_that_learn_no_ratio_is_refused(tmp_path, capsys):
    file = saved(tmp_path, sum=({"x.alpha": 1.0, "x.beta": 1.0},) * 2)
    assert main(["ablate", "--load", str(file), "--plot", str(tmp_path / "x.png")]) == 2
    assert "--plot: none of sum has both paths" in capsys.readouterr().err
    assert main(["ablate", "--load", str(file), str(file), "--plot", str(tmp_path / "x.png")]) == 2
    assert "--plot: draws one ablation; got 2" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([ROWS[0]], "--output DIR: name a folder for the runs."),
        (["--output", "out"], "name at least one configuration."),
        ([ROWS[0], "--load", "x.json"], "--load: shows results, and trains nothing"),
        (["--load", "x.json"], "--load: x.json does not exist"),
        ([ROWS[0], "--seeds", "1", "1", "--output", "out"], "seeds: got [1, 1]"),
    ],
)
def test_bad_arguments_are_named(words, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["ablate", *words]) == 2
    assert message in capsys.readouterr().err


def test_a_file_that_is_no_result_is_refused(tmp_path, capsys):
    file = tmp_path / "ablation.json"
    file.write_text('{"rows": [{"name": "x"}]}')
    assert main(["ablate", "--load", str(file)]) == 2
    assert "this is no ablation.json" in capsys.readouterr().err


def test_two_files_of_one_name_are_refused(tmp_path, capsys):
    twin = tmp_path / "alpha.yaml"
    twin.write_text("train: {epochs: 1}\n")
    assert ablate(tmp_path / "out", rows=[ROWS[0], str(twin)]) == 2
    assert "alpha, alpha" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("folder", "argument", "choices"),
    [("paths", "combine", COMBINATIONS), ("kernel", "conv_variant", VARIANTS)],
)
def test_ready_configs_cover_all_rows_of_the_table_and_differ_in_nothing_else(
    folder, argument, choices
):
    files = [f for f in sorted((CONFIGS / folder).glob("*.yaml")) if f.stem != "conv_swin"]
    assert {file.stem for file in files} == set(choices)
    rest = []
    for file in files:
        tree = load_config(file, ["output=x"]).to_dict()
        assert tree["model"]["kwargs"].pop(argument) == file.stem
        rest.append(tree)
    assert all(tree == rest[0] for tree in rest)


def test_conv_swin_differs_from_the_other_rows_in_the_model_alone():
    conv_swin, both = (
        load_config(CONFIGS / "paths" / f"{name}.yaml", ["output=x"]).to_dict()
        for name in ("conv_swin", "both")
    )
    assert conv_swin["model"].pop("name") == "conv_swin_tiny"
    assert both["model"].pop("name") == "acmix_swin_tiny"
    both["model"]["kwargs"].pop("combine")
    assert conv_swin == both


def test_rows_of_different_tasks_are_refused_before_any_training(tmp_path, capsys):
    detector = CONFIGS.parent / "detection" / "shapes_retinanet_acmix_resnet.yaml"
    rows = ["--output", str(tmp_path / "out"), *MEASURE]
    assert main(["ablate", ROWS[0], str(detector), *rows]) == 2
    assert "must share the task" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.exhaustive
def test_segmenters_are_rows_of_one_measurement(tmp_path, capsys):
    """A row of each head."""
    small = {
        "semantic_fpn": "{neck_channels: 8, channels: 8}",
        "upernet": "{channels: 8, auxiliary_channels: 8}",
    }
    for head, kwargs in small.items():
        (tmp_path / f"{head}.yaml").write_text(
            f"task: segmentation\nsegmenter: {{name: {head}, kwargs: {kwargs}}}\n"
        )
    settings = [
        "data={name: ade20k, crop_size: 32, short_side: 32, long_side: 48, batch_size: 2}",
        f"data.root={make_ade20k(tmp_path)}",
        "model.name=acmix_resnet26",
        "model.kwargs={width: 8, depths: [1, 1], out_indices: [0, 1]}",
        "train.steps=1",
        "runtime.mode=pynative",
    ]
    files = [str(tmp_path / f"{head}.yaml") for head in small]
    assert main(["ablate", *files, *settings, "--output", str(tmp_path / "out"), *MEASURE]) == 0
    printed = capsys.readouterr().out
    assert "mIoU" in printed
    content = json.loads((tmp_path / "out" / "ablation.json").read_text())
    assert [row["name"] for row in content["rows"]] == list(small)
    for row in content["rows"]:
        assert 0 <= row["metrics"][0]["mIoU"] <= 1
        assert row["fps"] > 0


@pytest.mark.parametrize(("metric", "title"), [("bbox_mAP", "box AP"), ("mIoU", "mIoU")])
def test_networks_are_compared_by_the_headline_of_their_task(metric, title):
    rows = [Row("plain", ["x"], 7, 9_000_000, [{"other": 1.0, metric: 0.25}], [{}], 3.0)]
    header, _, line = render(rows).splitlines()
    assert title in header
    assert "0.2500" in line
