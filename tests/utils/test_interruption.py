"""A signal is recorded, ends work at once, or kills; and it keeps its name."""

import os
import signal
import subprocess
import sys
import time

import pytest

from acmix.utils import signals
from acmix.utils.interruption import Interrupted, Interruption


@pytest.fixture(autouse=True)
def _heard(heard):
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        heard(number)


def send(number):
    os.kill(os.getpid(), number)


@pytest.mark.parametrize(
    ("number", "name"),
    [(signal.SIGTERM, "SIGTERM"), (signal.SIGINT, "Ctrl-C"), (signal.SIGHUP, "SIGHUP")],
)
def test_signal_is_recorded_by_the_name_its_sender_knows(number, name):
    before = signal.getsignal(number)
    with Interruption() as interruption, interruption:
        send(number)
        assert interruption.signal == name
    assert signal.getsignal(number) is before


def test_second_signal_acts_at_once(monkeypatch):
    monkeypatch.setattr(signals, "SAME_REQUEST_SECONDS", 0.0)
    with Interruption():
        send(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            send(signal.SIGINT)


def test_signals_that_come_together_are_one_request():
    with Interruption() as interruption:
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGTERM):
            send(number)
        assert interruption.signal == "SIGTERM"


def test_signal_that_nohup_ignores_stays_ignored():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with Interruption() as interruption:
            send(signal.SIGHUP)
        assert interruption.signal is None
    finally:
        signal.signal(signal.SIGHUP, before)


def send_in(interruption, where, wrapped=False):
    """Get a signal where nothing is to be saved, perhaps in code called by C++."""
    with interruption.ending_at_once(where):
        try:
            send(signal.SIGTERM)
        except Interrupted as error:
            if not wrapped:
                raise
            raise RuntimeError("C++ has caught something") from error
        pytest.fail("went on")


@pytest.mark.parametrize("wrapped", [False, True])
def test_where_nothing_is_to_be_saved_a_signal_ends_the_work(wrapped):
    with Interruption() as interruption:
        with pytest.raises(Interrupted, match=r"Stopped by SIGTERM in the middle\.") as caught:
            send_in(interruption, "in the middle", wrapped)
        assert caught.value.code == 128 + signal.SIGTERM


def test_signal_that_came_before_ends_the_work_too():
    with Interruption() as interruption:
        send(signal.SIGINT)
        with pytest.raises(Interrupted, match="Ctrl-C"):
            send_in(interruption, "here")


def test_errors_without_a_signal_stay_what_they_are():
    with pytest.raises(RuntimeError, match="of its own"):
        with Interruption() as interruption, interruption.ending_at_once("in the middle"):
            raise RuntimeError("of its own")


def python(script):
    return subprocess.Popen(
        [sys.executable, "-uc", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def test_ctrl_c_is_told_from_sigterm_though_mindspore_takes_sigint():
    """As MindSpore does while it compiles: a handler in C makes SIGTERM of SIGINT."""
    process = python(
        "import ctypes, os, signal, time\n"
        "from acmix.utils.interruption import Interruption\n"
        "with Interruption() as interruption:\n"
        "    turn = ctypes.CFUNCTYPE(None, ctypes.c_int)(lambda n: os.kill(os.getpid(), 15))\n"
        "    ctypes.CDLL(None).signal(signal.SIGINT, turn)\n"
        "    print('ready')\n"
        "    while interruption.signal is None:\n"
        "        time.sleep(0.01)\n"
        "print(interruption.signal)\n"
    )
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert out == "Ctrl-C\n", err


def test_a_stopped_process_goes_on():
    """As after Ctrl-Z and ``fg``, and a pause by SIGSTOP; stopped for longer than any poll."""
    process = python(
        "import time\n"
        "from acmix.utils.interruption import Interruption\n"
        "with Interruption() as interruption:\n"
        "    print('ready')\n"
        "    time.sleep(3)\n"
        "print(interruption.signal)\n"
    )
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGSTOP)
    time.sleep(1.5)
    process.send_signal(signal.SIGCONT)
    out, err = process.communicate(timeout=60)
    assert out == "None\n", err


def test_process_that_does_not_come_back_from_c_ends_all_the_same():
    process = python(
        "import ctypes, signal\n"
        "from acmix.utils import interruption\n"
        "interruption.PROMPT_SECONDS = 0.1\n"
        "with interruption.Interruption() as stop, stop.ending_at_once('before the first step'):\n"
        "    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})  # nothing wakes sleep up\n"
        "    print('ready')\n"
        "    ctypes.CDLL(None).sleep(600)\n"
    )
    assert process.stdout.readline() == "ready\n"
    time.sleep(0.5)  # until it sleeps
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGTERM
    assert out == "Stopped by SIGTERM before the first step.\n"


def test_import_that_aborts_on_exceptions_is_left_without_one():
    process = python(
        "import time\n"
        "from acmix.utils.interruption import Interruption\n"
        "with Interruption() as stop, stop.ending_at_once('in the import', exits=True):\n"
        "    print('ready')\n"
        "    try:\n"
        "        time.sleep(600)\n"
        "    finally:\n"
        "        print('an exception')\n"
    )
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, "Stopped by Ctrl-C in the import.\n")


def test_where_python_has_no_say_a_signal_kills():
    process = python(
        "import time\n"
        "from acmix.utils.interruption import Interruption\n"
        "with Interruption() as stop, stop.ending_at_once('here'), stop.ending_by_default():\n"
        "    print('ready')\n"
        "    time.sleep(600)\n"
    )
    assert process.stdout.readline() == "ready\n"
    time.sleep(0.1)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGTERM
