"""The summary table: totals of subtrees, depth, both renderings."""

from __future__ import annotations

import pytest
from mindspore import nn

from acmix.tools.analysis.macs import trace
from acmix.tools.analysis.summary import render_summary, summary_rows


@pytest.fixture(scope="module")
def traced():
    block = nn.SequentialCell(nn.Conv2d(3, 4, 1), nn.ReLU())
    return trace(nn.SequentialCell(block, nn.Flatten(), nn.Dense(16, 2)), (1, 3, 2, 2))


def test_rows_hold_the_totals_of_what_is_below(traced):
    rows = {row.name: row for row in summary_rows(traced, depth=1)}
    assert list(rows) == ["", "0", "1", "2"]
    assert (rows["0"].params, rows["0"].macs) == (12, 4 * 12)
    assert (rows["2"].params, rows["2"].macs, rows["2"].output) == (34, 32, "1x2")
    assert (rows[""].params, rows[""].macs) == (46, 80)


def test_name_that_begins_like_another_is_not_below_it():
    network = nn.SequentialCell(*[nn.Dense(2, 2, has_bias=False) for _ in range(11)])
    rows = {row.name: row for row in summary_rows(trace(network, (1, 2)))}
    assert rows["1"].params == rows["10"].params == 4


@pytest.mark.parametrize(("depth", "count"), [(0, 1), (1, 4), (2, 6), (None, 6)])
def test_depth_limits_the_rows(traced, depth, count):
    assert len(summary_rows(traced, depth)) == count


def test_text_is_indented_and_ends_with_the_totals(traced):
    text = render_summary(traced)
    assert "\n    0" in text
    assert text.endswith(
        "46 parameters, 0.000 G multiply-adds (0.000 G with bias, BatchNorm, ReLU and pooling)"
    )


def test_markdown_is_a_table_with_full_names(traced):
    lines = render_summary(traced, style="markdown").splitlines()
    assert lines[1] == "| --- | ---: | ---: | ---: | ---: |"
    assert "| `0.0` | Conv2d | 1x4x2x2 | 12 | 48 |" in lines


def test_what_was_not_counted_is_said():
    class Idle(nn.Cell):
        def __init__(self):
            super().__init__()
            self.fc = nn.Dense(2, 2)

        def construct(self, x):
            return x

    text = render_summary(trace(Idle(), (1, 2)))
    assert "not called" in text
    assert text.endswith("not counted (no rule, no macs()): fc")
