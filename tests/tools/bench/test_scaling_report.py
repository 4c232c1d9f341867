"""Scaling: efficiency and the cost of the exchange from known samples, and the report's JSON."""

import json

import pytest

from acmix.errors import UserError
from acmix.tools.bench.reports import read_report
from acmix.tools.bench.scaling_report import ScalingReport, ScalingRun

REPORT = ScalingReport(
    environment={"device": "CPU", "cpu": "some", "cores": 2, "mindspore": "2.8.0"},
    threads=1,
    warmup=3,
    runs=(
        ScalingRun("large", 1, 8, 4_000_000, (1.0, 1.1, 0.9)),
        ScalingRun("large", 2, 8, 4_000_000, (1.0, 1.25, 1.3), (0.02, 0.025, 0.03)),
        ScalingRun("small", 1, 64, 40_000, (0.010, 0.011, 0.010)),
        ScalingRun("small", 2, 64, 40_000, (0.02, 0.02, 0.03), (0.012, 0.011, 0.012)),
    ),
)


def test_efficiency_is_that_of_equal_batches_on_more_workers():
    rows = [line.strip("| ").split(" | ") for line in REPORT.render().splitlines()[2:6]]
    assert rows[0][:5] == ["large", "1", "8.0", "1.00", "1000.0"]
    assert rows[1] == ["large", "2", "12.8", "0.80", "1250.0", "25.0", "2", "4.0"]
    assert rows[3] == ["small", "2", "6400.0", "0.50", "20.0", "12.0", "60", "0.0"]


def test_what_the_exchange_costs_is_said_where_efficiency_is_low():
    text = REPORT.render()
    assert "large, 2 workers: efficiency below 0.85. A step takes 250.0 ms longer" in text
    assert "small, 2 workers: efficiency below 0.85. A step takes 10.0 ms longer" in text
    assert "the exchange alone 12.0 ms" in text
    good = ScalingReport(REPORT.environment, 1, 3, REPORT.runs[:1] * 2)
    assert "below" not in good.render()


def test_a_report_is_read_back_from_its_json():
    assert read_report(REPORT.to_json()) == REPORT


@pytest.mark.parametrize("changes", [{"runs": [{}]}, {"unknown": 1}, {"runs": 3}])
def test_a_json_that_is_no_report_is_refused(changes):
    with pytest.raises(UserError, match="not a JSON of 'acmix bench'"):
        read_report(json.dumps(json.loads(REPORT.to_json()) | changes))
