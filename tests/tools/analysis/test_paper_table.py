"""The paper's table: every registered model, both ways of counting, and a reason for each gap."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from mindspore import nn

from acmix import create_model, list_models
from acmix.errors import UserError
from acmix.tasks import task_of_network
from acmix.tools.analysis.count_tables import COUNT_TABLES, CountTable
from acmix.tools.analysis.counts import Count, count_networks, counts_from_json, counts_to_json
from acmix.tools.analysis.paper import PAPER_MODELS, PaperNetwork
from acmix.tools.analysis.paper_table import render_count_table

ROOT = Path(__file__).resolve().parents[3]

NETWORK = nn.SequentialCell(nn.Conv2d(3, 5, 1, has_bias=True), nn.BatchNorm2d(5))
# 30 parameters; 0.015 G, or 0.03 G with the rest.
(COUNTED,) = count_networks(["ours"], (10_000, 100), lambda name: NETWORK)


def table(style="text", *rows, **printed):
    numbers = {"params": "0.00", "flops": "0.015", "score": "70.0", "reason": "", **printed}
    shown = rows or (PaperNetwork("ours", "Theirs", **numbers),)
    counts = [replace(COUNTED, name=row.name) for row in shown]
    return render_count_table(CountTable(shown, "model", "top-1", decimals=3), counts, style)


def test_counts_stand_beside_the_printed_numbers():
    row = table().splitlines()[2]
    assert row.split() == ["Theirs,", "ours", "0.00", "0.00", "0.015", "0.030", "0.015", "70.0"]


def test_flops_that_fit_one_way_of_counting_need_no_reason():
    for flops in ("0.015", "0.030", "0.03", "0.0", "0"):
        assert "[1]" not in table(flops=flops, reason="because"), flops


def test_what_does_not_fit_carries_its_reason():
    for printed in ({"flops": "0.02"}, {"params": "1.2"}, {"params": "0.01"}):
        text = table(**printed, reason="because")
        assert text.splitlines()[2].endswith("[1]")
        assert text.splitlines()[-1] == "[1] because."
    assert table(params="1.2").endswith("[1] unexplained.")


def test_models_with_one_reason_share_the_note():
    rows = [PaperNetwork(label, label, "9", "9", "70", why) for label, why in
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
    line = render_count_table(COUNT_TABLES["paper"], counts).splitlines()[2]
    by_hand = f"{resnet_macs((1, 2, 4, 1)) / 1e9:.3f}"
    assert line.split()[3:] == ["13.70", "13.7", by_hand, "2.361", "2.4", "73.6"]


def test_counts_are_read_back_and_detectors_rendered():
    detectors = COUNT_TABLES["detectors"]
    names = [row.name for row in detectors.rows]
    counts = count_networks(names, (16, 16), lambda name: nn.Conv2d(3, 2, 1))
    assert {(count.size, count.params, count.macs) for count in counts} == {((16, 16), 6, 6 * 256)}
    assert counts_from_json(counts_to_json(counts)) == counts
    lines = render_count_table(detectors, counts).splitlines()
    assert lines[-1] == (
        "Images of 16 x 16; 80 classes; Mask R-CNN and Cascade have 1000 proposals and 100 masks."
    )
    assert any("retinanet_pvt_small" in line and line.endswith(" -") for line in lines)
    with pytest.raises(UserError, match="not a JSON of 'acmix summary"):
        counts_from_json('[{"name": 1}]')


def test_a_printed_count_fits_in_either_way_of_counting():
    rows = [
        Count("retinanet_san19", (800, 1333), 1, 228_000_000_000, 229_100_000_000),
        Count("retinanet_pvt_tiny", (800, 1333), 1, 232_000_000_000, 232_000_000_000),
    ]
    lines = render_count_table(COUNT_TABLES["detectors"], rows).splitlines()
    assert "[" not in next(line for line in lines if "retinanet_san19" in line)
    assert "[1]" in next(line for line in lines if "retinanet_pvt_tiny" in line)


def kept(file):
    text = (ROOT / "docs" / "results" / f"{file}.json").read_text(encoding="utf-8")
    return {count.name: count for count in counts_from_json(text)}


@pytest.mark.parametrize(
    ("file", "table", "checked"),
    [
        ("models", "paper", ("acmix_resnet50", "acmix_san19", "acmix_pvt_tiny")),
        (
            "detectors",
            "detectors",
            ("retinanet_acmix_resnet50", "retinanet_acmix_san19", "retinanet_acmix_pvt_tiny"),
        ),
        ("comparison", "comparison", ("conformer_tiny", "aa_resnet34", "cvt_13")),
        ("segmentation", "segmentation", ()),  # against the public counts, below
    ],
)
def test_the_kept_counts_are_those_of_the_networks_there_are(file, table, checked):
    """Multiply-adds take minutes; the parameters say whether a network has changed since.

    The multiply-adds of the models are held by tests/models.
    """
    counts = kept(file)
    arguments = {row.name: row.arguments for row in COUNT_TABLES[table].rows}
    assert counts.keys() == arguments.keys()
    for name in checked:
        # Nothing is frozen, so what is trained is what was counted.
        network = task_of_network(name).create(name, **arguments[name])
        weights = sum(parameter.size for parameter in network.trainable_params())
        assert weights == counts[name].params


def test_segmenters_have_the_counts_of_the_public_implementations():
    """Swin's windows are padded there; biases of Semantic FPN's convolutions were counted, too."""
    public = {
        "semantic_fpn_pvt_tiny": (16_981_398, 157.78),
        "semantic_fpn_acmix_pvt_tiny": (17_148_166, 159.28),
        "semantic_fpn_pvt_small": (28_237_974, 224.66),
        "semantic_fpn_acmix_pvt_small": (28_576_721, 227.47),
        "upernet_swin_tiny": (59_941_862, 944.39),
        "upernet_swin_small": (81_259_766, 1037.42),
    }
    counts = kept("segmentation")
    pixels = [128 * 512 // 4**level for level in range(4)]
    biases = 2 * 256 * sum(pixels) + 150 * pixels[0]
    for name, (params, gmacs) in public.items():
        assert counts[name].size == (512, 2048)
        assert counts[name].params == params
        counted = biases if "semantic_fpn" in name else 0
        assert (counts[name].macs + counted) / 1e9 == pytest.approx(gmacs, abs=0.005)
    assert counts["upernet_acmix_swin_tiny"].params == 60_303_416
    assert counts["upernet_acmix_swin_small"].params == 81_998_588


def test_two_stage_detectors_have_the_counts_of_the_public_implementations():
    """Their multiply-adds were counted by formulas, without what fills up Swin's windows."""
    public = {
        "mask_rcnn_swin_tiny": (47_794_602, 271.78),
        "mask_rcnn_acmix_swin_tiny": (48_156_156, 275.07),
        "cascade_mask_rcnn_swin_tiny": (85_629_804, 750.03),
        "cascade_mask_rcnn_acmix_swin_tiny": (85_991_358, 753.32),
    }
    counts = kept("detectors")
    for name, (params, gmacs) in public.items():
        assert (counts[name].size, counts[name].params) == ((800, 1333), params)
        assert counts[name].macs / 1e9 == pytest.approx(gmacs, abs=0.005)


def test_the_comparison_names_its_sources_and_reasons():
    rows = COUNT_TABLES["comparison"].rows
    assert len({row.name for row in rows}) == len(rows)
    assert {row.name for row in rows} <= set(list_models())
    assert all(row.source and row.score and row.params and row.flops for row in rows)
    counts = [Count(row.name, (224, 224), 10**7, 10**9, 10**9) for row in rows]
    text = render_count_table(COUNT_TABLES["comparison"], counts)
    (line,) = [line for line in text.splitlines() if "contnet_base" in line]
    assert "arXiv 2104.13497" in line
    assert "81.8" in line


def test_scores_are_drawn_a_line_for_a_family(tmp_path):
    from acmix.tools.analysis.plots import _family, plot_scores

    rows = COUNT_TABLES["comparison"].rows
    families = {_family(row.label) for row in rows}
    assert {"ResNet", "ResNet-ACmix", "Swin", "Swin-ACmix", "PVT", "ConViT", "T2T-ViT"} < families
    counts = [Count(row.name, (224, 224), 10**7, 10**9, 10**9) for row in rows[:4]]
    plot_scores(rows, counts, tmp_path / "scores.png")
    assert (tmp_path / "scores.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(UserError, match="no published scores"):
        plot_scores(COUNT_TABLES["detectors"].rows, counts, tmp_path / "none.png")
