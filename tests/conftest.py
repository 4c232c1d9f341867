"""Fixtures shared by all tests: one CPU thread pool per worker, both execution modes, a seed."""

from __future__ import annotations

import os
import signal

# Two pytest-xdist workers on two cores: without this their thread pools fight.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")

import mindspore as ms
import numpy as np
import pytest


@pytest.fixture(autouse=True)
def _extras(request):
    """Skip what needs a package that is not installed."""
    if request.node.get_closest_marker("onnx"):
        pytest.importorskip("onnxruntime")


@pytest.fixture(autouse=True)
def _begin():
    """Begin every test in the mode that counts, and seeded; MindSpore begins in PyNative."""
    ms.set_context(mode=ms.GRAPH_MODE)
    ms.set_seed(0)
    np.random.seed(0)


@pytest.fixture(params=["graph", "pynative"])
def mode(request):
    """Run the test in GRAPH_MODE and in PYNATIVE_MODE."""
    ms.set_context(mode=ms.GRAPH_MODE if request.param == "graph" else ms.PYNATIVE_MODE)
    return request.param


@pytest.fixture(params=["pynative", pytest.param("graph", marks=pytest.mark.exhaustive)])
def mostly_pynative(request):
    """Run the test in PYNATIVE_MODE, with --all in GRAPH_MODE too.

    For definitions over many shapes: their module has tests of the same Cell with ``mode``.
    """
    ms.set_context(mode=ms.GRAPH_MODE if request.param == "graph" else ms.PYNATIVE_MODE)
    return request.param


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def heard():
    """Give signals Python's own handler: nohup and background shells have the tests ignore some."""
    before = {}

    def handle(number):
        before[number] = signal.signal(number, signal.default_int_handler)
        return signal.getsignal(number)

    yield handle
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """Escape what workers cannot send: logs of names that are not UTF-8."""
    report = yield
    report.sections = [
        (title, text.encode("utf-8", "backslashreplace").decode())
        for title, text in report.sections
    ]
    return report
