"""Reports read back from their JSON, whichever kind they are."""

from __future__ import annotations

import json

from acmix.bench import pipeline
from acmix.bench.pipeline import PipelineReport
from acmix.bench.report import BenchReport


def read_report(text: str) -> BenchReport | PipelineReport:
    """Read what ``acmix bench --json`` wrote.

    Raises:
        UserError: it did not write this.
    """
    try:
        content = json.loads(text)
    except ValueError:
        content = None
    if isinstance(content, dict) and content.get("kind") == pipeline.KIND:
        return PipelineReport.from_dict(content)
    return BenchReport.from_json(text)
