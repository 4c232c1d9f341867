"""Reports read back from their JSON, whichever kind they are."""

from __future__ import annotations

import json

from acmix.bench import pipeline, scaling
from acmix.bench.pipeline import PipelineReport
from acmix.bench.report import BenchReport
from acmix.bench.scaling import ScalingReport
from acmix.errors import UserError

Report = BenchReport | PipelineReport | ScalingReport


def read_report(text: str) -> Report:
    """Read what ``acmix bench --json`` wrote.

    Raises:
        UserError: it did not write this.
    """
    try:
        content = json.loads(text)
        kind = content.pop("kind", None)
        if kind == pipeline.KIND:
            return PipelineReport.from_dict(content)
        if kind == scaling.KIND:
            return ScalingReport.from_dict(content)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise UserError(f"report: this is not a JSON of 'acmix bench': {error!r}") from error
    return BenchReport.from_json(text)
