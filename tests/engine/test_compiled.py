"""The level of the graph compiler, which ``ms.jit`` does not read by itself."""

import mindspore as ms
import pytest

from acmix.engine import compiled as module
from acmix.engine.compiled import compiled
from acmix.utils.modes import execution_mode, jit_level


@pytest.mark.parametrize(
    ("level", "options"),
    [
        ("", {}),
        ("O0", {"jit_level": "O0", "backend": "ms_backend"}),
        ("O1", {"jit_level": "O1", "backend": "ms_backend"}),
        ("O2", {"backend": "GE"}),
    ],
)
def test_the_level_that_is_set_is_the_functions(level, options, monkeypatch):
    given = []
    monkeypatch.setattr(module.ms, "jit", lambda function, **kwargs: given.append(kwargs))
    with execution_mode(ms.GRAPH_MODE), jit_level(level):
        compiled(abs)
    assert given == [options]


def test_pynative_mode_compiles_nothing():
    with execution_mode(ms.PYNATIVE_MODE):
        assert compiled(abs) is abs
