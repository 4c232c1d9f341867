"""What a user sees who types ``acmix.`` and a tabulator."""

from __future__ import annotations

import importlib
import inspect
import rlcompleter
import subprocess
import sys

import pytest

import acmix
from acmix.errors import UserError


def completed(text):
    completer = rlcompleter.Completer({"acmix": acmix})
    found = []
    while (name := completer.complete(text, len(found))) is not None:
        found.append(name.split("(")[0])
    return found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("acmix.cre", ["acmix.create_detector", "acmix.create_model", "acmix.create_segmenter"]),
        ("acmix.AC", ["acmix.ACmix"]),
        ("acmix.lo", ["acmix.load"]),
        ("acmix.mo", ["acmix.models"]),
        ("acmix.layers.Conv", ["acmix.layers.ConvPath"]),
        ("acmix.models.Back", ["acmix.models.Backbone"]),
        ("acmix.models.d", ["acmix.models.detection"]),
        ("acmix.data.Pre", ["acmix.data.Preprocess"]),
        ("acmix.workflows.ev", ["acmix.workflows.evaluate"]),
    ],
)
def test_names_are_completed(text, expected):
    assert completed(text) == expected


def test_every_name_that_is_offered_exists_and_says_what_it_is():
    assert set(dir(acmix)) >= {"ACmix", "Preprocess", "create_model", "load", "models", "UserError"}
    assert not [name for name in dir(acmix) if name in ("importlib", "annotations", "Any")]
    for name in dir(acmix):
        assert isinstance(getattr(acmix, name), str) or inspect.getdoc(getattr(acmix, name)), name
    assert acmix.UserError is UserError


@pytest.mark.parametrize("name", ["acmix", "acmix.layers", "acmix.models"])
def test_an_unknown_name_is_no_attribute(name):
    module = importlib.import_module(name)
    with pytest.raises(AttributeError, match=f"module '{name}' has no attribute 'nothing'"):
        _ = module.nothing
    assert set(module.__all__) <= set(dir(module))
    for known in module.__all__:
        getattr(module, known)


def test_import_and_completion_load_no_mindspore():
    program = "import sys, acmix; dir(acmix); print('mindspore' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.strip() == "False", done.stderr
