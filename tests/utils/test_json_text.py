"""JSON as every parser reads it: no NaN, no infinity."""

from __future__ import annotations

import io
import json
import math

import numpy as np
import pytest

from acmix.utils.json_text import json_list, to_json, without_nan

VALUE = {"a": [1.5, math.nan, (math.inf, -math.inf)], "b": {"c": np.float64("nan"), "d": "NaN"}}
FINITE = {"a": [1.5, None, [None, None]], "b": {"c": None, "d": "NaN"}}


def refuse(constant):
    raise AssertionError(constant)


def test_numbers_that_json_does_not_have_become_null():
    assert json.loads(to_json(VALUE), parse_constant=refuse) == FINITE
    assert to_json({"a": 1}, indent=None) == '{"a": 1}'


@pytest.mark.parametrize("end", ["", "\n"])
def test_text_without_such_numbers_is_unchanged_and_other_text_loses_them(end):
    text = json.dumps({"é": [1, 2.50, "NaN"]}, indent=3, ensure_ascii=False) + end
    assert without_nan(text) == text
    changed = without_nan(json.dumps(VALUE) + end)
    assert json.loads(changed, parse_constant=refuse) == FINITE
    assert changed.endswith("}" + end)


@pytest.mark.parametrize(
    "entries", [[], [1], ["a\nb"], [{"a": [1, {"b": float("nan")}]}, [], {}, "é\udce9"]]
)
def test_a_list_written_by_entries_is_the_list_written_at_once(entries):
    file = io.StringIO()
    with json_list(file) as add:
        for entry in entries:
            add(to_json(entry))
    assert file.getvalue() == to_json(entries)
