"""Reading the saved report of any benchmark."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from acmix.tools.bench import data_report, formulations_report, scaling_report
from acmix.tools.bench.data_report import DataReport
from acmix.tools.bench.formulations_report import FormulationsReport
from acmix.tools.bench.models_report import ModelsReport
from acmix.tools.bench.scaling_report import ScalingReport
from acmix.tools.saved_results import parsing

Report = ModelsReport | FormulationsReport | DataReport | ScalingReport

_READERS: dict[str, Callable[[dict[str, Any]], Report]] = {
    data_report.KIND: DataReport.from_dict,
    scaling_report.KIND: ScalingReport.from_dict,
    formulations_report.KIND: FormulationsReport.from_dict,
}


def read_report(text: str) -> Report:
    """Read a report that ``acmix bench ... --json`` wrote.

    Raises:
        UserError: ``text`` is no such report.
    """
    with parsing("report: this is not a JSON of 'acmix bench'"):
        content = json.loads(text)
        reader = _READERS.get(content.pop("kind", None))
        if reader is not None:
            return reader(content)
    return ModelsReport.from_json(text)
