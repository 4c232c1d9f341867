"""Reports read back from their JSON, whichever kind they are."""

from __future__ import annotations

import json

from acmix.errors import UserError
from acmix.tools.bench import formulation_report, pipeline, scaling
from acmix.tools.bench.formulation_report import FormulationReport
from acmix.tools.bench.pipeline import PipelineReport
from acmix.tools.bench.report import BenchReport
from acmix.tools.bench.scaling import ScalingReport

Report = BenchReport | FormulationReport | PipelineReport | ScalingReport


def read_report(text: str) -> Report:
    """Read what ``acmix bench ... --json`` wrote.

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
        if kind == formulation_report.KIND:
            return FormulationReport.from_dict(content)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise UserError(f"report: this is not a JSON of 'acmix bench': {error!r}") from error
    return BenchReport.from_json(text)
