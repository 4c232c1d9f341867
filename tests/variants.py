"""Which variants of a test the default run takes, and which ``bash scripts/test.sh --all`` adds.

Defaults are chosen by a rule and not by a list of names, so that what is registered tomorrow runs
without a change of the tests.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest
from _pytest.mark import ParameterSet

from acmix.models.registry import model_entry


def exhaustive(params: Iterable[Any], default: Iterable[Any]) -> list[ParameterSet]:
    """Return all ``params``; those that are not in ``default`` are marked ``exhaustive``.

    Of several arguments a param is a tuple, as for ``pytest.mark.parametrize``.
    """
    params, default = list(params), list(default)
    assert default, "the default run would test nothing"
    assert all(param in params for param in default)
    return [
        pytest.param(
            *(param if isinstance(param, tuple) else (param,)),
            marks=() if param in default else pytest.mark.exhaustive,
        )
        for param in params
    ]


def first_of_each(params: Iterable[Any], key: Callable[[Any], Any]) -> list[Any]:
    """Return the first param for every value of ``key``, in their order."""
    chosen: dict[Any, Any] = {}
    for param in params:
        chosen.setdefault(key(param), param)
    return list(chosen.values())


def one_of_each_family(names: Iterable[str]) -> list[str]:
    """Return one model of each class: that with ACmix operators, where it has one.

    These hold all that the plain ones do, and their names, ``acmix_*``, come first.
    """
    return first_of_each(sorted(names), lambda name: model_entry(name).cls)
