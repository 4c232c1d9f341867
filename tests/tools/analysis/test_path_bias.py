"""alpha, beta and their ratio over depth and time: numbers, files and pictures."""

from __future__ import annotations

import csv
import json
import math

import cv2
import pytest

from acmix import create_model
from acmix.errors import UserError
from acmix.layers.path_weights import path_weights
from acmix.tools.analysis.path_bias import (
    PathBias,
    path_biases,
    undefined_ratios,
    write_path_biases,
)
from acmix.tools.analysis.plots import plot_path_biases, plot_path_curves
from acmix.utils.parameters import set_value


def run(*pairs):
    return [PathBias(f"stages.{i}", alpha, beta) for i, (alpha, beta) in enumerate(pairs)]


def test_ratio_is_the_logarithm():
    assert PathBias("", 0.5, 0.5).log_ratio == 0
    assert PathBias("", math.e, 1).log_ratio == pytest.approx(1)
    assert PathBias("", -1, -2).log_ratio == pytest.approx(-math.log(2))


@pytest.mark.parametrize(("alpha", "beta"), [(1, 0), (0, 1), (0, 0), (-1, 2), (1, -2)])
def test_ratio_without_a_logarithm_is_nan(alpha, beta):
    assert math.isnan(PathBias("", alpha, beta).log_ratio)


def test_biases_come_in_order_of_depth_and_need_both_paths():
    weights = {f"{i}.mixer.{path}": 10.0 * i for i in (2, 10, 1) for path in ("alpha", "beta")}
    weights |= {"3.mixer.alpha": 1.0, "alpha": 4.0, "beta": 5.0}
    assert path_biases(weights) == [
        PathBias("2.mixer", 20, 20),
        PathBias("10.mixer", 100, 100),
        PathBias("1.mixer", 10, 10),
        PathBias("", 4, 5),
    ]


def test_biases_of_a_model_whose_weights_are_complementary():
    small = {"width": 8, "depths": (1, 1), "num_classes": 2}
    model = create_model("acmix_resnet26", **small, combine="complement")
    set_value(model.stages[1][0].conv2.alpha, [0.25])
    names = ["stages.0.0.conv2", "stages.1.0.conv2"]
    assert path_biases(path_weights(model)) == [
        PathBias(names[0], 0.5, 0.5),
        PathBias(names[1], 0.25, 0.75),
    ]


def test_csv_has_a_line_per_run_and_operator(tmp_path):
    runs = {"a": run((1, 0.5), (1, 0)), "b": run((2, 4), (3, 3))}
    write_path_biases(runs, tmp_path / "bias.csv")
    lines = list(csv.DictReader((tmp_path / "bias.csv").open()))
    assert [(line["run"], line["depth"], line["operator"]) for line in lines] == [
        ("a", "1", "stages.0"), ("a", "2", "stages.1"),
        ("b", "1", "stages.0"), ("b", "2", "stages.1"),
    ]  # fmt: skip
    assert [float(line["alpha"]) for line in lines] == [1, 1, 2, 3]
    assert [float(line["beta"]) for line in lines] == [0.5, 0, 4, 3]
    assert lines[1]["log_ratio"] == "nan"
    assert float(lines[2]["log_ratio"]) == pytest.approx(math.log(0.5))
    assert undefined_ratios(runs) == ["a: stages.1"]


def test_plot_shows_runs_with_undefined_ratios(tmp_path):
    runs = {"a": run((1, 0.5), (1, 0)), "b": run((2, 4), (3, 0))}
    plot_path_biases(runs, tmp_path / "bias.png")
    plot_path_biases({"a": runs["a"]}, tmp_path / "one.png")
    assert cv2.imread(str(tmp_path / "bias.png")).min() < 128
    assert (tmp_path / "bias.png").read_bytes() != (tmp_path / "one.png").read_bytes()


@pytest.mark.parametrize(
    ("runs", "message"),
    [
        ({"a": run((1, 1)), "b": run((1, 1), (1, 1))}, r"b has other operators than a.*2 and 1"),
        ({"a": []}, "a has no operator with both paths"),
    ],
)
def test_runs_that_cannot_be_compared_are_refused(runs, message, tmp_path):
    with pytest.raises(UserError, match=message):
        plot_path_biases(runs, tmp_path / "bias.png")


def metrics(path, *betas):
    """Write a metrics.jsonl of one operator; lines within an epoch have no scalars."""
    lines = []
    for epoch, beta in enumerate(betas, start=1):
        lines.append({"epoch": epoch - 0.5, "step": epoch, "loss": 1.0})
        lines.append({"epoch": epoch, "step": epoch, "scalars": {"m.alpha": 0.5, "m.beta": beta}})
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def test_curves_follow_the_scalars_of_each_run(tmp_path):
    first, second = metrics(tmp_path / "a.jsonl", 0.5, 0.4), metrics(tmp_path / "b.jsonl", 0.5, 0.9)
    for name, files in (
        ("a", {"a": first}),
        ("b", {"a": second}),
        ("ab", {"a": first, "b": second}),
    ):
        plot_path_curves(files, tmp_path / f"{name}.png")
    pictures = {name: cv2.imread(str(tmp_path / f"{name}.png")) for name in ("a", "b", "ab")}
    assert pictures["a"].shape == pictures["b"].shape
    assert (pictures["a"] != pictures["b"]).any()
    assert pictures["ab"].shape[0] == 2 * pictures["a"].shape[0]


def test_curves_of_a_run_without_two_paths_are_refused(tmp_path):
    (tmp_path / "m.jsonl").write_text('{"epoch": 1, "step": 1, "scalars": {"m.alpha": 1.0}}\n')
    with pytest.raises(UserError, match="no weights of two paths"):
        plot_path_curves({"a": tmp_path / "m.jsonl"}, tmp_path / "curve.png")
