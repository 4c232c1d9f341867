"""Pictures are written, and bad input is told from good."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest

from acmix.errors import UserError
from acmix.tasks.confusion_plot import confused_pairs, plot_confusion_matrix
from acmix.tools.analysis.attention_plot import attention_figure, reach
from acmix.workflows.curve import plot_training_curve

HEADLINE = {"top1": "top-1", "top5": "top-5"}


@pytest.fixture
def metrics_file(tmp_path):
    path = tmp_path / "metrics.jsonl"
    records = [{"epoch": k, "step": 10 * k, "loss": 1 / k, "lr": 0.1} for k in range(1, 5)]
    records[-1]["top1"] = 0.9
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


def test_curve_is_a_picture(metrics_file, tmp_path):
    plot_training_curve(metrics_file, tmp_path / "curve.png", HEADLINE)
    picture = cv2.imread(str(tmp_path / "curve.png"))
    assert picture.shape[:2] == (456, 1560)
    assert picture.min() < 128


def test_curve_depends_on_the_metrics(metrics_file, tmp_path):
    plot_training_curve(metrics_file, tmp_path / "with.png", HEADLINE)
    plot_training_curve(metrics_file, tmp_path / "without.png", headline={})
    assert (tmp_path / "with.png").read_bytes() != (tmp_path / "without.png").read_bytes()


def test_half_a_last_line_of_a_killed_run_is_left_out(metrics_file, tmp_path):
    with metrics_file.open("a") as file:
        file.write('{"epoch": 5, "st')
    plot_training_curve(metrics_file, tmp_path / "curve.png", HEADLINE)
    assert (tmp_path / "curve.png").exists()


def test_a_broken_line_in_the_middle_is_refused(metrics_file, tmp_path):
    metrics_file.write_text("{}\nnonsense\n{}\n")
    with pytest.raises(UserError, match="line 2 of"):
        plot_training_curve(metrics_file, tmp_path / "curve.png", HEADLINE)


@pytest.mark.parametrize("text", ["", "{}\n", '{"epoch": 1}\n'])
def test_a_file_without_a_loss_is_refused(text, tmp_path):
    (tmp_path / "m.jsonl").write_text(text)
    with pytest.raises(UserError, match="no 'step' with a 'loss'"):
        plot_training_curve(tmp_path / "m.jsonl", tmp_path / "curve.png", HEADLINE)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(UserError, match="does not exist"):
        plot_training_curve(tmp_path / "no.jsonl", tmp_path / "curve.png", HEADLINE)


def test_an_unknown_picture_format_leaves_nothing_behind(metrics_file, tmp_path):
    with pytest.raises(UserError, match=r"curve\.nope"):
        plot_training_curve(metrics_file, tmp_path / "curve.nope", HEADLINE)
    assert [path.name for path in tmp_path.iterdir()] == ["metrics.jsonl"]


@pytest.mark.parametrize("count", [2, 25])
def test_confusion_matrix_is_darkest_where_the_counts_are(count, tmp_path):
    classes = [f"class {k}" for k in range(count)]
    plot_confusion_matrix(np.eye(count, dtype=int) * 9, classes, tmp_path / "right.png")
    plot_confusion_matrix(np.ones((count, count), int), classes, tmp_path / "wrong.png")
    full = np.array([107, 48, 8])  # BGR of a share of 1 in the colour map "Blues"
    right, wrong = (cv2.imread(str(tmp_path / name)) for name in ("right.png", "wrong.png"))
    dark = [(picture == full).all(axis=2).sum() for picture in (right, wrong)]
    assert dark[0] > 500 + dark[1]  # the colour bar of both has some
    assert dark[1] < 200


def test_confusion_matrix_with_an_empty_class(tmp_path):
    plot_confusion_matrix(np.array([[3, 1], [0, 0]]), ["a", "b"], tmp_path / "matrix.png")
    assert (tmp_path / "matrix.png").stat().st_size > 0


def test_confusion_matrix_of_another_size_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"\(2, 2\) does not fit 3 classes"):
        plot_confusion_matrix(np.zeros((2, 2)), ["a", "b", "c"], tmp_path / "matrix.png")


def test_most_confused_pairs_come_in_the_order_of_their_counts():
    matrix = np.array([[5, 3, 0], [4, 0, 0], [0, 1, 9]])
    title, *pairs = confused_pairs(matrix, ["cat", "dog", "bird"])
    assert "Most confused" in title
    assert pairs == [
        "100 % (4 of 4)  dog as cat",
        " 38 % (3 of 8)  cat as dog",
        " 10 % (1 of 10)  bird as dog",
    ]
    assert confused_pairs(np.eye(2, dtype=int), ["a", "b"])[1:] == ["none"]


def test_a_single_confusion_of_a_thousand_classes_is_seen(tmp_path):
    matrix = np.eye(1000, dtype=int)
    matrix[800, [100, 800]] = 1, 0
    plot_confusion_matrix(matrix, [f"class {k}" for k in range(1000)], tmp_path / "matrix.png")
    picture = cv2.imread(str(tmp_path / "matrix.png"))
    assert picture.shape == (1200, 1980, 3)
    full = (picture == [107, 48, 8]).all(axis=2)  # BGR of a share of 1
    assert full[700:, :400].sum() >= 4  # of the matrix, the corner below the diagonal


def test_the_best_step_of_a_curve_is_that_of_the_first_metric(tmp_path, monkeypatch):
    figures = []
    monkeypatch.setattr(
        "acmix.workflows.curve.save_figure", lambda figure, _: figures.append(figure)
    )
    scores = [(0.1, 0.9), (0.8, 0.2), (0.3, 0.4), (None, 1.0)]
    lines = [
        {"epoch": k, "step": 5 * k, "loss": 2.0, "val_loss": 3.0, "lr": 0.1, "top1": a, "top5": b}
        for k, (a, b) in enumerate(scores, start=1)
    ]
    (tmp_path / "m.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    plot_training_curve(tmp_path / "m.jsonl", tmp_path / "curve.png", HEADLINE)
    losses, validation, _ = figures[0].axes
    assert [text.get_text() for text in losses.get_legend().texts] == ["training", "validation"]
    labels = [text.get_text() for text in validation.get_legend().texts]
    assert labels == ["top-1", "top-5", "best: top-1 0.8000 at epoch 2"]
    (star,) = [line for line in validation.lines if line.get_marker() == "*"]
    assert star.get_xydata().tolist() == [[10, 0.8]]


def test_attention_has_the_window_the_mean_and_the_range_of_each_head():
    shares = np.zeros((2, 4, 6))
    shares[0, 1, 2], shares[0, 2, 3] = 0.75, 0.25
    shares[1, 1, 3] = 1.0
    image = np.zeros((8, 12, 3))
    figure = attention_figure(image, (2, 4), shares, "layer", "52 %  cat")
    panels = [axes for axes in figure.axes if axes.get_title()]
    assert [axes.get_title() for axes in panels] == [
        "52 %  cat", "mean: 0 to 50 %", "head 1: 0 to 75 %", "head 2: 0 to 100 %",
    ]  # fmt: skip
    np.testing.assert_array_equal(panels[1].images[1].get_array(), shares.mean(0))
    for axes in panels:  # rows 1 and 2, columns 2 and 3 of the map, each 2 pixels wide
        (frame,) = axes.patches
        assert frame.get_bbox().bounds == (3.5, 1.5, 4, 4)


def test_attention_to_the_whole_map_has_no_frame():
    shares = np.full((1, 3, 3), 1 / 9)
    assert reach(shares) is None
    figure = attention_figure(np.zeros((6, 6, 1)), (0, 0), shares, "layer", "")
    assert not any(axes.patches for axes in figure.axes)
    titles = [axes.get_title() for axes in figure.axes]
    assert "query" in titles  # without a prediction
    assert "mean" not in " ".join(titles)  # of one head


def test_a_shifted_window_is_the_part_that_is_reached():
    shares = np.zeros((3, 7, 7))
    shares[:, 5:, :3] = 0.1
    assert reach(shares) == (5, 0, 7, 3)
