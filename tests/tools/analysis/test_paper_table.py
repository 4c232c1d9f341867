"""The paper's table: every registered model, both ways of counting, and a reason for each gap."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from mindspore import nn

from acmix import create_model, list_models
from acmix.errors import UserError
from acmix.models.detection import create_detector
from acmix.tools.analysis import paper_table
from acmix.tools.analysis.counts import Count, count_networks, counts_from_json, counts_to_json
from acmix.tools.analysis.paper import PAPER_DETECTORS, PAPER_MODELS, PaperModel
from acmix.tools.analysis.paper_table import render_detector_table, render_paper_table

ROOT = Path(__file__).resolve().parents[3]

NETWORK = nn.SequentialCell(nn.Conv2d(3, 5, 1, has_bias=True), nn.BatchNorm2d(5))
# 30 parameters; 0.015 G, or 0.03 G with the rest.
(COUNTED,) = count_networks(["ours"], (10_000, 100), lambda name: NETWORK)


@pytest.fixture
def table(monkeypatch):
    def render(style="text", *rows, **printed):
        numbers = {"params": "0.00", "flops": "0.015", "top1": "70.0", "reason": "", **printed}
        shown = rows or (PaperModel("ours", "Theirs", **numbers),)
        monkeypatch.setattr(paper_table, "PAPER_MODELS", shown)
        return render_paper_table([replace(COUNTED, name=row.name) for row in shown], style)

    return render


def test_counts_stand_beside_the_printed_numbers(table):
    row = table().splitlines()[2]
    assert row.split() == ["Theirs,", "ours", "0.00", "0.00", "0.015", "0.030", "0.015", "70.0"]


def test_flops_that_fit_one_way_of_counting_need_no_reason(table):
    for flops in ("0.015", "0.030", "0.03", "0.0", "0"):
        assert "[1]" not in table(flops=flops, reason="because"), flops


def test_what_does_not_fit_carries_its_reason(table):
    for printed in ({"flops": "0.02"}, {"params": "1.2"}, {"params": "0.01"}):
        text = table(**printed, reason="because")
        assert text.splitlines()[2].endswith("[1]")
        assert text.splitlines()[-1] == "[1] because."
    assert table(params="1.2").endswith("[1] unexplained.")


def test_models_with_one_reason_share_the_note(table):
    rows = [PaperModel(label, label, "9", "9", "70", why) for label, why in
            (("A", "x"), ("B", "y"), ("C", "x"))]  # fmt: skip
    lines = table("markdown", *rows).splitlines()
    assert [line.split("|")[-2].strip() for line in lines[2:5]] == ["[1]", "[2]", "[1]"]
    assert [line for line in lines[5:] if line] == ["[1] x.", "[2] y."]


def test_every_model_of_the_paper_is_registered():
    assert {row.name for row in PAPER_MODELS} <= set(list_models())


def resnet_macs(depths):
    """Products of a plain ResNet at 224 x 224, by hand."""
    total, channels, side = 147 * 64 * 112**2 + 2048 * 1000, 64, 56
    for stage, depth in enumerate(depths):
        width = 64 * 2**stage
        for block in range(depth):
            out = side // 2 if stage and not block else side
            total += channels * width * side**2 + (9 * width * width + 4 * width * width) * out**2
            if not block:
                total += channels * 4 * width * out**2
            channels, side = 4 * width, out
    return total


def test_resnet_26_fits():
    """2.342 G does not round to the printed 2.4; with bias, norm, ReLU and pooling it does."""
    counts = count_networks(["resnet26"], (224, 224), create_model)
    line = render_paper_table(counts).splitlines()[2]
    by_hand = f"{resnet_macs((1, 2, 4, 1)) / 1e9:.3f}"
    assert line.split()[3:] == ["13.70", "13.7", by_hand, "2.361", "2.4", "73.6"]


def test_counts_are_read_back_and_detectors_rendered():
    names = [row.name for row in PAPER_DETECTORS]
    counts = count_networks(names, (16, 16), lambda name: nn.Conv2d(3, 2, 1))
    assert {(count.size, count.params, count.macs) for count in counts} == {((16, 16), 6, 6 * 256)}
    assert counts_from_json(counts_to_json(counts)) == counts
    lines = render_detector_table(counts).splitlines()
    assert "Images of 16 x 16" in lines[-1]
    assert any("retinanet_pvt_small" in line and line.endswith(" -") for line in lines)
    with pytest.raises(UserError, match="not a JSON of 'acmix summary"):
        counts_from_json('[{"name": 1}]')


def test_a_printed_count_fits_in_either_way_of_counting():
    rows = [
        Count("retinanet_san19", (800, 1333), 1, 228_000_000_000, 229_100_000_000),
        Count("retinanet_pvt_tiny", (800, 1333), 1, 232_000_000_000, 232_000_000_000),
    ]
    lines = render_detector_table(rows).splitlines()
    assert "[" not in next(line for line in lines if "retinanet_san19" in line)
    assert "[1]" in next(line for line in lines if "retinanet_pvt_tiny" in line)


@pytest.mark.parametrize(
    ("file", "printed", "create", "checked"),
    [
        ("models", PAPER_MODELS, create_model, "acmix_{}"),
        ("detectors", PAPER_DETECTORS, create_detector, "retinanet_acmix_{}"),
    ],
)
def test_the_readme_s_counts_are_those_of_the_networks_there_are(file, printed, create, checked):
    """Multiply-adds take minutes; the parameters say whether a network has changed since.

    The multiply-adds of the models are held by tests/models.
    """
    text = (ROOT / "docs" / "results" / f"{file}.json").read_text(encoding="utf-8")
    counts = {count.name: count for count in counts_from_json(text)}
    assert counts.keys() == {row.name for row in printed}
    for backbone in ("resnet50", "san19", "pvt_tiny"):
        name = checked.format(backbone)
        # Nothing is frozen, so what is trained is what was counted.
        weights = sum(parameter.size for parameter in create(name).trainable_params())
        assert weights == counts[name].params
