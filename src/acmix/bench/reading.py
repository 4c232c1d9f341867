"""Reports read back from their JSON, whichever kind they are."""

from __future__ import annotations

import json

from acmix.bench import pipeline, scaling
from acmix.bench.pipeline import PipelineReport
from acmix.bench.report import BenchReport
from acmix.bench.scaling import ScalingReport


def read_report(text: str) -> BenchReport | PipelineReport | ScalingReport:
    """Read what ``acmix bench --json`` wrote.

    Raises:
        UserError: it did not write this.
    """
    try:
        content = json.loads(text)
    except ValueError:
        content = None
    kind = content.get("kind") if isinstance(content, dict) else None
    if kind == pipeline.KIND:
        return PipelineReport.from_dict(content)
    if kind == scaling.KIND:
        return ScalingReport.from_dict(content)
    return BenchReport.from_json(text)
