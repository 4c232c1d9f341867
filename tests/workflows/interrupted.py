"""A run that is killed and resumed, beside the same run without interruption."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import acmix.engine.stopping as stopping
from acmix.engine.checkpoint import read_checkpoint


def check_resume(train: Callable[[Path, str | None], object], folder: Path) -> set[str]:
    """Kill a run before its second evaluation, resume it, and compare its last state.

    Args:
        train: trains two epochs into a folder; the second argument is that of ``resume``.
        folder: to write into.

    Returns:
        Names of what was compared to the last bit.
    """
    whole, parts = folder / "whole", folder / "parts"
    train(whole, None)
    evaluate, calls = stopping.evaluate, []

    def killed(task, *arguments):
        calls.append(task)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return evaluate(task, *arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stopping, "evaluate", killed)
        with pytest.raises(KeyboardInterrupt):
            train(parts, None)
    train(parts, "auto")
    (expected, progress), (actual, resumed_progress) = map(_last_state, (whole, parts))
    assert actual.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_array_equal(actual[name], value, err_msg=name)
    assert resumed_progress == progress
    return set(expected)


def _last_state(output: Path):
    return read_checkpoint(output / "checkpoints" / "last.ckpt")[:2]
