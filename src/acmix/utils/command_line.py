"""Options, files and overrides of a command line in any order."""

from __future__ import annotations

import os
import re
import sys
from argparse import ONE_OR_MORE, ZERO_OR_MORE, ArgumentParser
from collections import deque
from collections.abc import Sequence

_OVERRIDE = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*=")
_NUMBER = re.compile(r"-\d+$|-\d*\.\d+$")


def is_override(argument: str) -> bool:
    """Return whether ``argument`` is an override ``key=value`` and not a file.

    An existing path is a file. So is an argument without a valid key before its ``=``, such as
    ``runs/lr=1e-3/last.ckpt``.
    """
    return bool(_OVERRIDE.match(argument)) and not os.path.exists(argument)


def takes_overrides(parser: ArgumentParser) -> bool:
    """Return whether a positional argument has ``key=value`` in its ``metavar``."""
    return any("key=value" in str(action.metavar) for action in parser._actions)


def in_order(parser: ArgumentParser, arguments: Sequence[str]) -> list[str]:
    """Return ``arguments`` as argparse takes them: options, ``--``, files, overrides.

    Plain argparse ends the positional arguments at the first option behind them, and lets an
    option of several values take an override for one. What its own ``parse_intermixed_args`` does
    about the first differs between versions of Python.

    Args:
        parser: has no sub-commands; its overrides are the positional argument with ``key=value``
            in its ``metavar``.
        arguments: of the command line.
    """
    separates = takes_overrides(parser)
    options: list[str] = []
    positionals: list[str] = []
    rest = deque(arguments)
    while rest:
        argument = rest.popleft()
        if argument == "--":
            positionals += rest
            break
        if not _is_option(argument):
            positionals.append(argument)
            continue
        options.append(argument)
        most, several = _values_of(parser, argument)
        while rest and most and rest[0] != "--" and not _is_option(rest[0]):
            if several and separates and is_override(rest[0]):
                break
            options.append(rest.popleft())
            most -= 1
    overrides = [item for item in positionals if separates and is_override(item)]
    files = [item for item in positionals if not (separates and is_override(item))]
    return [*options, *(["--", *files, *overrides] if positionals else [])]


def _is_option(argument: str) -> bool:
    return argument.startswith("-") and argument != "-" and not _NUMBER.match(argument)


def _values_of(parser: ArgumentParser, option: str) -> tuple[int, bool]:
    """Return how many values an option takes at most, and whether that is any number."""
    if "=" in option:
        return 0, False
    known = parser._option_string_actions
    # argparse accepts the beginning of a name, too, and reports one that is ambiguous or unknown.
    names = [option] if option in known else [name for name in known if name.startswith(option)]
    nargs = known[names[0]].nargs if names else 0
    if nargs in (ONE_OR_MORE, ZERO_OR_MORE):
        return sys.maxsize, True
    return (nargs if isinstance(nargs, int) else 1), False
