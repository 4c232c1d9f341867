"""How far work is, on a terminal and in a log."""

import io
import re
import time
from types import SimpleNamespace

import pytest

from acmix.utils import progress
from acmix.utils.progress import ProgressLine, clock, with_progress


class Terminal(io.StringIO):
    """A stream that is a terminal."""

    def isatty(self):
        return True


@pytest.fixture
def terminal(monkeypatch):
    stream = Terminal()
    monkeypatch.setattr(progress, "sys", SimpleNamespace(stderr=stream))  # pytest sets sys.stderr
    return stream


@pytest.fixture
def fast(monkeypatch):
    """Renew the line, and log it, more often than a user wants."""
    monkeypatch.setattr(progress, "_TICK_SECONDS", 0.01)
    monkeypatch.setattr(progress, "LOG_SECONDS", 0.05)


def drawn(terminal):
    """Return what the terminal showed, one after the other."""
    return [line.rstrip() for line in re.split(r"[\r\n]+", terminal.getvalue())]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.4, "0:00"), (59.6, "1:00"), (754, "12:34"), (3723, "1:02:03"),
        (90000, "1 day 1:00:00"), (2 * 86400 + 7, "2 days 0:00:07"),
    ],
)  # fmt: skip
def test_clock(seconds, text):
    assert clock(seconds) == text


def test_clock_runs_on_a_terminal_while_nothing_else_happens(terminal, fast, monkeypatch):
    start = time.monotonic()
    monkeypatch.setattr(progress.time, "monotonic", lambda: start + 60 * (time.time() - start_time))
    start_time = time.time()
    with ProgressLine("epoch 1/2", 10) as line, line.phase("compiling"):
        time.sleep(0.2)
    clocks = {shown.split()[-1] for shown in drawn(terminal) if "compiling" in shown}
    assert len(clocks) > 4
    assert all(shown.startswith("epoch 1/2 |") for shown in drawn(terminal) if shown)


def test_terminal_shows_title_bar_count_and_note_and_nothing_afterwards(terminal):
    with ProgressLine("epoch {1}", 4, done=1) as line:
        line.note = "loss {2}"
        line.advance()
        line._draw()
    lines = drawn(terminal)
    assert any(re.fullmatch(r"epoch \{1\} \|.+\| 2/4  loss \{2\}", shown) for shown in lines)
    assert lines[-1] == ""


def test_notice_takes_the_place_of_the_note(terminal):
    with ProgressLine("x", 4, notice=lambda: "Ctrl-C: stopping") as line, line.phase("evaluating"):
        line._draw()
    assert any(shown.endswith("| 0/4  Ctrl-C: stopping") for shown in drawn(terminal))
    assert not any("evaluating" in shown for shown in drawn(terminal))


def test_log_gets_begin_and_end_of_a_long_phase_and_a_line_now_and_then(caplog, fast):
    caplog.set_level("INFO")
    with ProgressLine("epoch 1/2", 10) as line:
        with line.phase("compiling", announced=True):
            time.sleep(0.2)
        line.note = "loss 1"
        line.advance(3)
        time.sleep(0.2)
    first, *others = caplog.messages
    assert first == "compiling ..."
    end = others.index("compiling: done in 0:00")
    assert set(others[:end]) == {"epoch 1/2  0/10  compiling 0:00"}
    assert set(others[end + 1 :]) == {"epoch 1/2  3/10  loss 1"}
    assert len(others) < 12  # of 40 ticks


def test_short_work_without_a_terminal_says_nothing(caplog, capfd):
    caplog.set_level("INFO")
    assert list(with_progress("abc", "reading", 3)) == ["a", "b", "c"]
    assert caplog.messages == []
    assert capfd.readouterr().err == ""


def test_what_is_not_shown_stays_quiet_on_a_terminal(terminal, caplog):
    caplog.set_level("INFO")
    with ProgressLine("x", 3, shown=False) as line, line.phase("compiling", announced=True):
        line.advance(3)
    assert terminal.getvalue() == ""
    assert caplog.messages == []


def test_time_left_does_not_count_the_first_step_which_compiles(terminal, monkeypatch):
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=lambda: clock.now))
    for item in with_progress("abcde", "evaluating", 5, "compiling"):
        clock.now += 100.0 if item == "a" else 2.0
    shown = drawn(terminal)
    assert any(line.endswith("| 0/5  compiling 0:00") for line in shown)
    line = ProgressLine("evaluating", 5)
    line.advance()
    clock.now += 2.0
    line.advance()
    assert line._text() == "evaluating  2/5  0:02, 0:06 left"
