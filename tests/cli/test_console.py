"""What reaches a terminal: harmless, bounded, and no condition of success."""

import io
import logging
import subprocess
import sys
from pathlib import Path

import pytest

import acmix as acmix_package
from acmix.cli import main
from acmix.cli.console import print_error, set_up_console
from acmix.errors import UserError

HOSTILE = "a\x1b[2Jb\nc\u202ed\udce9"
HARMLESS = r"a\x1b[2Jb\nc\u202ed\xe9"


def acmix(arguments, redirection):
    shell = f'"$0" -m acmix {arguments} {redirection}'
    environment = {
        "PYTHONPATH": str(Path(acmix_package.__file__).parents[1]),
        "LC_ALL": "C",
        "GLOG_v": "3",
    }
    return subprocess.run(
        ["bash", "-c", shell, sys.executable], capture_output=True, text=True, env=environment
    )


@pytest.mark.parametrize(
    ("arguments", "redirection", "code"),
    [
        ("list", ">/dev/full", 0),
        ("list", ">&- 2>&-", 0),
        ("list nothing", "2>/dev/full", 2),
        ("env --json -", ">/dev/full", 2),
    ],
)
def test_a_full_or_closed_stream_keeps_the_exit_code(arguments, redirection, code):
    done = acmix(arguments, redirection)
    assert done.returncode == code
    if redirection == ">/dev/full":
        assert "standard output: No space left on device; what was printed" in done.stderr
        assert len(done.stderr.splitlines()) == 1


@pytest.mark.exhaustive
@pytest.mark.parametrize("redirection", [">&- 2>&-", ">/dev/full 2>/dev/full"])
def test_training_needs_no_streams(tmp_path, redirection):
    kwargs = "{patch_size: 4, embed_dim: 8, depths: [1], num_heads: [1], window_size: 4}"
    words = f"data.name=digits model.name=acmix_swin_tiny 'model.kwargs={kwargs}'"
    (tmp_path / "c.yaml").write_text("train: {epochs: 1}\nschedule: {warmup_epochs: 0}")
    done = acmix(f"train {tmp_path}/c.yaml output={tmp_path}/run {words}", redirection)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "run" / "checkpoints" / "last.ckpt").stat().st_size > 0


def test_an_error_is_one_harmless_line_of_bounded_length(capsys):
    print_error("acmix train", UserError(f"{HOSTILE}: {10_000 * 'x'}; leave it out."))
    printed = capsys.readouterr().err
    assert printed.startswith(f"acmix train: error: {HARMLESS}: xxx")
    assert printed.endswith("xxx; leave it out.\n")
    assert len(printed) < 1100


def test_log_lines_are_harmless(capsys):
    set_up_console(sys.stdout)
    logging.getLogger("acmix").info("Reading %s", HOSTILE)
    logging.getLogger("acmix").info("a table\nof two lines")
    assert capsys.readouterr().out == f"Reading {HARMLESS}\na table\nof two lines\n"


class Terminal(io.StringIO):
    """A stream that is a terminal."""

    def isatty(self):
        return True


@pytest.mark.parametrize(
    ("stream", "variables", "coloured"),
    [
        (Terminal(), {}, True),
        (Terminal(), {"NO_COLOR": "1"}, False),
        (Terminal(), {"TERM": "dumb"}, False),
        (io.StringIO(), {}, False),
    ],
)
def test_colours_are_for_terminals_and_not_for_no_color(stream, variables, coloured, monkeypatch):
    for name, value in {"NO_COLOR": "", "TERM": "xterm", **variables}.items():
        monkeypatch.setenv(name, value)
    set_up_console(stream)
    logger = logging.getLogger("acmix")
    logger.info("%s", f"row {HOSTILE}", extra={"style": "best"})
    logger.info("plain")
    row = f"row {HARMLESS}"
    assert stream.getvalue() == (f"\x1b[1;32m{row}\x1b[0m" if coloured else row) + "\nplain\n"


def test_ctrl_c_is_one_line_with_the_exit_code_of_shells(monkeypatch, capsys):
    def interrupted(options):
        raise KeyboardInterrupt

    monkeypatch.setattr("acmix.cli.commands.list.run", interrupted)
    assert main(["list"]) == 130
    assert capsys.readouterr().err == "\nacmix list: stopped by Ctrl-C\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ["train", f"{HOSTILE}.yaml"],
        ["predict", f"{HOSTILE}.onnx", "x.png"],
        ["predict", f"{HOSTILE}.ckpt", "x.png"],
        ["eval", f"{HOSTILE}.yaml", "--checkpoint", HOSTILE],
        ["summary", HOSTILE],
        ["list", HOSTILE],
        ["audit", HOSTILE],
        ["audit", f"{HOSTILE}.mindir"],
        ["summary", "--load", HOSTILE],
        ["env", "--json", f"/dev/null/{HOSTILE}"],
        ["analyze", "curve", HOSTILE, "--output", "x.png"],
        [
            "convert",
            "--from",
            "torch",
            f"{HOSTILE}.pth",
            "--model",
            "swin_tiny",
            "--output",
            "o.ckpt",
        ],
        ["train", "missing.yaml", f"output={HOSTILE}"],
        ["plan", f"{HOSTILE}.yaml", "--devices", "1"],
    ],
    ids=lambda arguments: " ".join(arguments[:2]).encode("unicode_escape").decode()[:24],
)
def test_names_in_errors_are_harmless(arguments, capsys):
    assert main(arguments) == 2
    printed = capsys.readouterr().err
    assert len(printed.splitlines()) == 1
    assert printed.strip().isprintable()
    assert len(printed) < 1100
