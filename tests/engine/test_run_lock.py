"""One process writes into a run folder; the lock of an ended one is taken over."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import asdict, replace

import pytest

from acmix.engine import run_lock
from acmix.engine.run_lock import LOCK, Holder, RunLock
from acmix.errors import UserError


def write_lock(folder, holder):
    folder.mkdir(exist_ok=True)
    (folder / LOCK).write_text(holder if isinstance(holder, str) else json.dumps(asdict(holder)))


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "run"


@pytest.fixture
def ended():
    """A process of this machine that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return replace(Holder.this_process(), pid=process.pid, started=time.time())


@pytest.fixture
def elsewhere():
    return replace(Holder.this_process(), host="node7", pid=1, machine="another boot")


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(run_lock, "STALE_SECONDS", 0.5)
    monkeypatch.setattr(run_lock, "RENEWAL_SECONDS", 0.1)


def test_a_second_writer_is_refused_with_the_name_of_the_first(folder):
    with RunLock(folder):
        with (
            pytest.raises(UserError, match=rf"in use by process {os.getpid()} on .*runs since"),
            RunLock(folder),
        ):
            pass
        assert (folder / LOCK).exists()
    with RunLock(folder):
        pass


def test_nothing_stays_of_a_run_that_did_not_begin(tmp_path):
    with RunLock(tmp_path / "a" / "b"):
        assert (tmp_path / "a" / "b" / LOCK).exists()
    assert list(tmp_path.iterdir()) == []
    with RunLock(tmp_path / "a"):
        (tmp_path / "a" / "metrics.jsonl").write_text("")
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["metrics.jsonl"]


def test_the_lock_of_an_ended_process_is_taken_over_with_a_notice(folder, ended, caplog):
    write_lock(folder, ended)
    with RunLock(folder):
        pass
    assert f"took over the lock of process {ended.pid}" in caplog.text
    assert list(folder.iterdir()) == []


def test_another_process_with_the_same_number_is_not_the_holder(folder):
    write_lock(folder, replace(Holder.this_process(), started=1.0))
    with RunLock(folder):
        pass


def test_one_of_many_becomes_the_holder(folder, ended):
    write_lock(folder, ended)
    won, start, done = [], threading.Barrier(8), threading.Event()

    def attempt():
        start.wait()
        with suppress(UserError), RunLock(folder):
            won.append(1)
            done.wait(10)

    threads = [threading.Thread(target=attempt) for _ in range(8)]
    for thread in threads:
        thread.start()
    while sum(thread.is_alive() for thread in threads) > 1:
        time.sleep(0.01)
    done.set()
    for thread in threads:
        thread.join()
    assert won == [1]


def test_a_lock_of_another_machine_counts_while_it_is_renewed(folder, elsewhere, impatient):
    write_lock(folder, elsewhere)
    stop = threading.Event()

    def renew():
        while not stop.wait(0.05):
            os.utime(folder / LOCK)

    thread = threading.Thread(target=renew)
    thread.start()
    try:
        with (
            pytest.raises(UserError, match="in use by process 1 on node7"),
            RunLock(folder),
        ):
            pass
    finally:
        stop.set()
        thread.join()


@pytest.mark.parametrize("age", [0, 3600, -3600], ids=["new", "old", "of a clock ahead"])
def test_a_lock_of_another_machine_that_is_not_renewed_is_taken_over(
    folder, elsewhere, impatient, age, caplog
):
    write_lock(folder, elsewhere)
    os.utime(folder / LOCK, (time.time() - age,) * 2)
    with RunLock(folder):
        pass
    assert "took over the lock of process 1 on node7" in caplog.text


@pytest.mark.parametrize("content", ["", "{", "[1]", '{"host": 3}', "\0" * 10])
def test_a_damaged_lock_is_stale_if_nobody_renews_it(folder, content, impatient):
    write_lock(folder, content)
    with RunLock(folder):
        pass


def test_the_holder_renews_its_lock(folder, impatient):
    with RunLock(folder):
        os.utime(folder / LOCK, (1, 1))
        deadline = time.time() + 5
        while (folder / LOCK).stat().st_mtime == 1 and time.time() < deadline:
            time.sleep(0.02)
        assert (folder / LOCK).stat().st_mtime > 1


def test_a_file_system_without_hard_links_has_locks(folder, monkeypatch):
    def refuse(*_):
        raise PermissionError

    monkeypatch.setattr("os.link", refuse)
    with RunLock(folder), pytest.raises(UserError, match="in use by"), RunLock(folder):
        pass


def test_a_folder_that_cannot_be_made_is_named_with_the_reason(tmp_path):
    (tmp_path / "taken").write_text("")
    for path, reason in (
        (tmp_path / "taken", "File exists"),
        (tmp_path / "taken" / "run", "Not a directory"),
        (tmp_path / ("x" * 300), "File name too long"),
    ):
        with pytest.raises(UserError, match=f"output=.*: {reason}"), RunLock(path):
            pass
