"""Notes which kernels the tests of this folder call, if test_kernel_registry.py asks for it."""

import os

import pytest

from acmix.tools.rehearsal.npu import registry

NOTES = "ACMIX_TEST_NOTES"
"""Variable that names the file of the notes."""


@pytest.fixture(autouse=True, scope="session")
def notes():
    if NOTES not in os.environ:
        yield
        return
    called, call = set(), registry.Kernel.__call__
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            registry.Kernel,
            "__call__",
            lambda self, *args: called.add(self.name) or call(self, *args),
        )
        yield
    with open(os.environ[NOTES], "w", encoding="utf-8") as file:
        file.write("\n".join(sorted(called)))
