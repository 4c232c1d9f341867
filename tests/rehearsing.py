"""What tests need to rehearse: a compiler, and programs that import what they do."""

import os
import shutil
import sys
from unittest import mock

import pytest

from acmix.tools.rehearsal.rehearse import rehearse

NO_COMPILER = not all(map(shutil.which, ("g++", "nm", "readelf")))
NO_COMPILER_REASON = "no compiler, or no binutils"
needs_compiler = pytest.mark.skipif(NO_COMPILER, reason=NO_COMPILER_REASON)

PATHS = os.pathsep.join(filter(None, sys.path))


def environment():
    """Return the variables of a process that imports what this one does."""
    return {**os.environ, "PYTHONPATH": PATHS}


def rehearse_program(program, words, **setting):
    """Rehearse a program that imports from the tests' folders."""
    with mock.patch.dict(os.environ, environment()):
        return rehearse(str(program), words, **setting)
