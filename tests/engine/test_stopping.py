"""Ranks that are not equally far: none may save while another can still end at once."""

from __future__ import annotations

import os
import signal

import pytest

from acmix.engine.stopping import Stopping
from acmix.engine.train_step import StepResult
from acmix.parallel import World
from acmix.utils.interruption import Interrupted, Interruption

RESULT = StepResult(losses=(0.0,), grad_norm=0.0, finite=True, stop=0.0)


class Meeting(World):
    """Two ranks; a signal arrives while this one waits for the other after its first step."""

    def __init__(self):
        super().__init__()
        self.size, self.met = 2, 0

    def barrier(self):
        self.met += 1
        os.kill(os.getpid(), signal.SIGTERM)


def test_ranks_meet_once_after_the_first_step_and_then_no_signal_ends_one_at_once():
    world, interruption = Meeting(), Interruption()
    stopping = Stopping(world, interruption)
    with interruption:
        with stopping.until_begun():
            pass
        stopping.after_step(RESULT)
        assert stopping.is_asked
        with stopping.until_begun():  # of the second step: the checkpoint comes after it
            pass
        stopping.after_step(RESULT)
    assert world.met == 1


def test_a_signal_in_the_first_step_ends_at_once_without_a_meeting():
    world, interruption = Meeting(), Interruption()
    stopping = Stopping(world, interruption)
    with interruption, pytest.raises(Interrupted), stopping.until_begun():
        os.kill(os.getpid(), signal.SIGTERM)
    assert world.met == 0
