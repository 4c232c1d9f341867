"""The parser of the command line, and how a command becomes part of it."""

from __future__ import annotations

import argparse
from argparse import ArgumentParser, Namespace
from collections.abc import Iterable, Iterator, Sequence
from importlib import import_module
from typing import Any, Protocol

from acmix.errors import suggest


class Command(Protocol):
    """A module of :mod:`acmix.cli.commands`.

    A family of commands is a package with ``NAME``, ``HELP``, ``EXAMPLE`` and ``COMMANDS``, the
    names of its modules. Modules import MindSpore inside of ``run`` only: ``acmix --help`` and
    ``acmix env`` must answer where it is missing or broken.

    Attributes:
        NAME: as it is typed; the file has ``_`` for ``-``.
        HELP: one sentence.
        EXAMPLE: one whole command.
    """

    NAME: str
    HELP: str
    EXAMPLE: str

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add the command's arguments."""

    def run(self, options: Namespace) -> int | None:
        """Do the work; return the exit code, None for 0."""


class CommandParser(ArgumentParser):
    """Takes options and positional arguments in any order, and suggests names of commands."""

    _intermixing = False

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.commands: dict[str, CommandParser] = {}

    def walk(self) -> Iterator[CommandParser]:
        """Yield this parser and those of all commands below."""
        yield self
        for command in self.commands.values():
            yield from command.walk()

    def parse_known_args(  # type: ignore[override]  # one signature for all of its overloads
        self, args: Sequence[str] | None = None, namespace: Any = None
    ) -> Any:
        """Parse; an override may stand behind an option, which argparse alone refuses."""
        # Intermixed parsing calls this method, and does not know sub-commands.
        if self.commands or self._intermixing:
            return super().parse_known_args(args, namespace)
        self._intermixing = True
        try:
            namespace, unknown = self.parse_known_intermixed_args(args, namespace)
        finally:
            self._intermixing = False
        if unknown:  # told here, with the usage of the command
            self.error(f"unrecognized arguments: {' '.join(unknown)}")
        return namespace, unknown

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if self.commands and value not in self.commands:
            self.error(f"unknown command '{value}'.{suggest(value, self.commands)}")
        super()._check_value(action, value)


def add_commands(parser: CommandParser, package: str, names: Iterable[str]) -> None:
    """Add the named commands, modules or families of ``package``."""
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name in names:
        module = import_module(f"{package}.{name.replace('-', '_')}")
        added = subparsers.add_parser(
            module.NAME,
            help=module.HELP,
            description=module.HELP,
            epilog=f"example: {module.EXAMPLE}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        parser.commands[name] = added
        if hasattr(module, "COMMANDS"):
            add_commands(added, module.__name__, module.COMMANDS)
        else:
            module.add_arguments(added)
            added.set_defaults(run=module.run, prog=added.prog)
