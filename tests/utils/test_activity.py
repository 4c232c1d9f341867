"""What a process tells its launcher, and that it writes nowhere else."""

import os
import subprocess
import sys

import pytest

from acmix.utils import activity
from acmix.utils.activity import Activity, Board


def run(script, environment=None, descriptors=()):
    subprocess.run(
        [sys.executable, "-c", f"from acmix.utils.activity import *\n{script}"],
        env={**os.environ, **(environment or {})},
        pass_fds=descriptors,
        check=True,
    )


@pytest.fixture
def board():
    board = Board()
    yield board
    board.close()


def test_process_tells_what_it_does_and_hears_why_it_shall_stop(board):
    assert board.activity() == Activity()
    assert board.signal() is None
    board.request_stop("Ctrl-C")
    script = (
        "doing('step 7', 7, meets=True)\nwith meeting(): pass\n"
        "doing('saving ' + 1000 * 'x')\nreport_signal(requested_stop())\nassert has_launcher()\n"
    )
    run(script, board.environment(), [board.descriptor])
    found = board.activity()
    assert found.what.startswith("saving x")
    assert len(found.what) <= 100
    assert (found.step, found.meets, found.code) == (7, False, None)
    run("finished(2)", board.environment(), [board.descriptor])
    assert board.activity().code == 2
    assert board.signal() == "Ctrl-C"


def test_waiting_for_others_is_an_activity_and_ends(board):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(activity, "_descriptor", lambda: board.descriptor)
        patch.setattr(activity, "_activity", Activity())  # not that of an earlier test
        activity.doing("saving step 3", 3)
        with activity.meeting():
            assert board.activity() == Activity("waiting for the other ranks", 3, meets=True)
        assert board.activity() == Activity("saving step 3", 3)


def test_record_that_is_half_written_counts_as_the_one_before(board):
    os.pwrite(board.descriptor, b'{"what": "step 1", "step": 1, "meets": true}', 0)
    assert board.activity().step == 1
    os.pwrite(board.descriptor, b'{"what": "step', 0)
    os.pwrite(board.descriptor, b"\0" * 100, 14)
    assert board.activity().step == 1


@pytest.mark.parametrize("value", ["", "x", "-1", "999", "{descriptor}"])
def test_without_a_launcher_nothing_is_written(value, tmp_path):
    """The variable may be somebody else's, and its number that of any file."""
    file = tmp_path / "file"
    file.write_text("untouched")
    descriptor = os.open(file, os.O_RDWR)
    try:
        environment = {"ACMIX_ACTIVITY": value.format(descriptor=descriptor)}
        run("doing('x')\nreport_signal('y')\nassert not has_launcher()", environment, [descriptor])
    finally:
        os.close(descriptor)
    assert file.read_text() == "untouched"
