"""The command ``acmix``: parser and entry point. A new command needs its name in ``COMMANDS``.

Each command is a module of the same name in ``commands``, see :class:`acmix.cli.parser.Command`.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from argparse import Namespace
from collections.abc import Iterator, Sequence

from acmix.cli.console import print_error, report_lost_output, set_up_console
from acmix.cli.outputs import check_outputs
from acmix.cli.parser import CommandParser, add_commands
from acmix.errors import UserError
from acmix.utils.activity import finished
from acmix.utils.streams import protect_streams
from acmix.version import __version__

COMMANDS = (
    "env",
    "list",
    "config",
    "summary",
    "prepare",
    "train",
    "eval",
    "ablate",
    "export",
    "audit",
    "predict",
    "convert",
    "report",
    "analyze",
    "bench",
    "plan",
    "check-ascend",
    "rehearse",
    "completion",
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return its exit code: 0, 1 for a failed check, 2 for a user error.

    A standard stream that is closed or full ends nothing; the loss of a ``--json -`` is an error.

    A :class:`UserError` prints one line. Any other exception is a bug and shows its traceback.
    """
    os.environ.setdefault("GLOG_v", "3")  # hides MindSpore's internal warnings
    protect_streams()  # before anything is opened
    options = make_parser().parse_args(arguments)
    json_output = getattr(options, "json", None)
    to_stdout = json_output is not None and json_output.is_stdout
    log = sys.stderr if to_stdout else sys.stdout
    set_up_console(log)
    code = _run(options, to_stdout)
    finished(code)  # for a launcher
    return code


def _run(options: Namespace, to_stdout: bool) -> int:
    """Run the command of ``options``; return the exit code."""
    try:
        with _silence() if to_stdout else contextlib.nullcontext():
            check_outputs(options)
            code = options.run(options) or 0
    except UserError as error:
        print_error(options.prog, error)
        return 2
    except KeyboardInterrupt:
        print(f"\n{options.prog}: stopped by Ctrl-C", file=sys.stderr)
        return 128 + signal.SIGINT
    lost = report_lost_output(options.prog)
    return 2 if lost and to_stdout else code


def make_parser() -> CommandParser:
    """Return the parser of all commands."""
    parser = CommandParser(
        prog="acmix", description="ACmix on MindSpore: train, evaluate, export, measure."
    )
    parser.add_argument("--version", action="version", version=f"acmix {__version__}")
    add_commands(parser, "acmix.cli.commands", COMMANDS)
    return parser


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """Discard a command's text output, so that standard output holds only the JSON."""
    with open(os.devnull, "w", encoding="utf-8") as devnull, contextlib.redirect_stdout(devnull):
        yield
