"""What is compared computes the same function."""

from dataclasses import replace

import numpy as np
import pytest

from acmix.tools.bench.formulations import bench_formulations
from acmix.tools.bench.network_parts import PARTS
from acmix.tools.bench.reports import read_report

SMALL = {
    "convolution path": (8, 2, 6),
    "7 x 7 attention": (8, 2, 6),
    "RoIAlign": (8, 5, 6),
}


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.name)
def test_candidates_agree(part):
    case = SMALL.get(part.name, (8, 6))
    inputs = part.arguments(case, 1)
    first, *others = part.networks(case).values()
    expected = first(*inputs).asnumpy()
    assert np.abs(expected).max() > 0.1
    assert others
    for network in others:
        np.testing.assert_allclose(network(*inputs).asnumpy(), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.exhaustive
def test_the_table_names_every_candidate():
    # Some: each candidate is compiled with its gradient.
    parts = [replace(part, cases=(SMALL.get(part.name, (4, 5)),)) for part in PARTS[:3]]
    report = bench_formulations(batch_size=1, warmup=1, repeats=2, parts=parts)
    table = report.render()
    for part in parts:
        for name in part.networks(part.cases[0]):
            assert f"| {name} |" in table
    assert "CPU" in table
    assert read_report(report.to_json()) == report


def test_a_formulation_too_large_for_a_map_is_left_out():
    (attention,) = [part for part in PARTS if part.name == "7 x 7 attention"]
    assert "whole" in attention.networks((8, 2, 28))
    assert "whole" not in attention.networks((8, 2, 29))
