"""A standard stream that is closed, full or gone ends no program and harms no file."""

import io
import os
import pty
import select
import subprocess
import sys

import pytest

from acmix.utils import streams
from acmix.utils.streams import LossyStream

PROGRAM = """
import sys
from acmix.utils.streams import lost_output, protect_streams
old = sys.stdout
protect_streams()
protect_streams()
with open(sys.argv[1], "w") as file:
    assert file.fileno() > 2
    for _ in range(3):
        print("caf\\udce9 \\u8682", flush=True)
        print("caf\\udce9 \\u8682", file=sys.stderr)
    print(type(lost_output()), getattr(lost_output(), "strerror", None), file=file)
if old is not None and len(sys.argv) > 2:
    old.write("by the old stream")
sys.exit(7)
"""


@pytest.mark.parametrize(
    ("redirection", "shown", "lost"),
    [
        ("", "out err", "None"),
        (">&-", "err", "None"),
        ("2>&-", "out", "None"),
        ("<&- >&- 2>&-", "", "None"),
        (">/dev/full", "err", "No space left on device"),
        ("2>/dev/full", "out", "None"),
        ("2>&- >/dev/full", "", "No space left on device"),
        ("| true", "err", ""),
    ],
)
def test_the_program_goes_on_and_keeps_its_exit_code(tmp_path, redirection, shown, lost):
    file = tmp_path / "file"
    shell = f'set -o pipefail; "$0" -c "$1" "$2" {redirection}'
    done = subprocess.run(
        ["bash", "-c", shell, sys.executable, PROGRAM, str(file)],
        capture_output=True,
        env={"PYTHONPATH": ":".join(sys.path), "PYTHONIOENCODING": "ascii:strict"},
    )
    assert done.returncode == 7, done.stderr
    assert lost in file.read_text()
    printed = b"caf\\udce9 \\u8682\n" * 3
    assert done.stdout == (printed if "out" in shown else b"")
    assert done.stderr == (printed if "err" in shown else b"")


def test_who_holds_the_old_stream_goes_on_writing_to_it(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path / "file"), "old"],
        capture_output=True,
        text=True,
        env={"PYTHONPATH": ":".join(sys.path)},
    )
    assert done.stdout.endswith("by the old stream")


def test_what_is_lost_is_kept_as_the_reason(tmp_path):
    with open("/dev/full", "wb", buffering=0) as full:
        stream = LossyStream(io.BufferedWriter(full), "utf-8")
        stream.write("x" * 100_000)
        stream.flush()
        assert stream.lost.strerror == "No space left on device"
        stream.write("y")  # to the null device, without an error
        stream.flush()


def test_streams_of_other_programs_stay(capsys):
    before = sys.stdout
    streams.protect_streams()
    assert sys.stdout is before
    assert streams.lost_output() is None


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_line_is_written_when_it_ends_also_where_python_is_unbuffered(unbuffered):
    """Else a row of training would come after the bar that is drawn below it."""
    leader, follower = pty.openpty()
    program = "from acmix.utils.streams import protect_streams as p; p(); print('row'); input()"
    with subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=subprocess.PIPE,
        stdout=follower,
        env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
    ) as process:
        os.close(follower)
        ready = select.select([leader], [], [], 30)[0]
        assert ready
        assert os.read(leader, 100) == b"row\r\n"
        process.communicate(b"\n")
    os.close(leader)
