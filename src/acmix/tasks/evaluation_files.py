"""Files of an evaluation: all numbers, and a table of the classes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from acmix.utils.files import write_text
from acmix.utils.json_text import to_json
from acmix.utils.table import render_table

_PREFIX = "per_class"


def write_report(report: Mapping[str, Any], main: str, folder: Path) -> None:
    """Write ``evaluation.json``, and ``per_class.txt`` with the weakest class first.

    Args:
        report: result of :meth:`acmix.tasks.base.Task.report`.
        main: title of the values under ``per_class``; others, such as ``per_class_segm``, have
            their own.
        folder: for both files.
    """
    write_text(folder / "evaluation.json", to_json(report) + "\n")
    columns = {key: values for key, values in report.items() if key.startswith(_PREFIX)}
    first = columns[_PREFIX]
    weakest = sorted(first, key=lambda name: (math.isnan(first[name]), first[name]))
    rows = [[name, *(_shown(values[name]) for values in columns.values())] for name in weakest]
    titles = [key.removeprefix(_PREFIX).strip("_") or main for key in columns]
    write_text(folder / "per_class.txt", render_table(["class", *titles], rows) + "\n")


def _shown(value: float) -> str:
    return "not in the data" if math.isnan(value) else f"{value:.4f}"
