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
    write_text(folder / "per_class.txt", render_table(*class_table(report, main)) + "\n")


def class_table(report: Mapping[str, Any], main: str) -> tuple[list[str], list[list[str]]]:
    """Return the header and the rows of the classes in a report, see :func:`write_report`."""
    columns = {key: values for key, values in report.items() if key.startswith(_PREFIX)}
    first = columns[_PREFIX]
    weakest = sorted(first, key=lambda name: (_is_missing(first[name]), first[name]))
    titles = [key.removeprefix(_PREFIX).strip("_") or main for key in columns]
    rows = [[name, *(shown(values[name]) for values in columns.values())] for name in weakest]
    return ["class", *titles], rows


def shown(value: float | None) -> str:
    """Return the value of a class or a metric as text; NaN, null in JSON, is of none."""
    return "not in the data" if _is_missing(value) else f"{value:.4f}"


def _is_missing(value: float | None) -> bool:
    return value is None or math.isnan(value)
