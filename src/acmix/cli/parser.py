"""The command-line parser, and the registration of commands."""

from __future__ import annotations

import argparse
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterable, Iterator, Sequence
from importlib import import_module
from typing import Any, NoReturn, Protocol

from acmix.errors import suggest
from acmix.utils.command_line import in_order, takes_overrides
from acmix.utils.text import printable


class Command(Protocol):
    """A module of :mod:`acmix.cli.commands`.

    A family of commands is a package with ``NAME``, ``HELP``, ``EXAMPLE`` and ``COMMANDS``, the
    names of its modules. Modules import MindSpore only inside of ``run``: ``acmix --help`` and
    ``acmix env`` must work where it is missing or broken.

    Attributes:
        NAME: name of the command; the module has ``_`` for ``-``.
        HELP: one sentence.
        EXAMPLE: a complete command line.
    """

    NAME: str
    HELP: str
    EXAMPLE: str

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add the command's arguments."""

    def run(self, options: Namespace) -> int | None:
        """Execute the command; return the exit code, None for 0."""


class CommandParser(ArgumentParser):
    """Parser that accepts options and positionals in any order, and suggests command names."""

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.commands: dict[str, CommandParser] = {}
        self._unfilled: Command | None = None

    def fill_later(self, command: Command) -> None:
        """Add the arguments of ``command`` when this parser is used.

        Most runs use one command. What the others choose from is not imported.
        """
        self._unfilled = command

    def fill(self) -> None:
        """Add the arguments, once; parsing, help and :meth:`walk` do so."""
        command, self._unfilled = self._unfilled, None
        if command is not None:
            command.add_arguments(self)
            self.set_defaults(run=command.run, prog=self.prog)

    def format_help(self) -> str:
        """Return the help text, with all arguments."""
        self.fill()
        return super().format_help()

    def walk(self) -> Iterator[CommandParser]:
        """Yield this parser and those of all commands below."""
        self.fill()
        yield self
        for command in self.commands.values():
            yield from command.walk()

    def parse_known_args(  # type: ignore[override]  # one signature for all of its overloads
        self, args: Sequence[str] | None = None, namespace: Any = None
    ) -> Any:
        """Parse options, files and overrides in any order."""
        self.fill()
        if self.commands:
            return super().parse_known_args(args, namespace)
        given = sys.argv[1:] if args is None else args
        namespace, unknown = super().parse_known_args(in_order(self, given), namespace)
        if unknown:  # reported here, to show the usage of the sub-command
            self.error(
                f"unrecognized arguments: {' '.join(unknown)}{self._as_override(unknown[0], given)}"
            )
        return namespace, unknown

    def _as_override(self, unknown: str, given: Sequence[str]) -> str:
        """Return a hint where an unknown option is a key of the configuration."""
        from acmix.config.options import keys_called

        name, _, value = unknown.lstrip("-").partition("=")
        keys = keys_called(name.replace("-", "_")) if unknown.startswith("--") else []
        if not keys or not takes_overrides(self):
            return ""
        if not value:
            value = next(iter(given[list(given).index(unknown) + 1 :]), "VALUE")
        return f". Write {' or '.join(f'{key}={value}' for key in keys)}"

    def error(self, message: str) -> NoReturn:
        """Print usage and message, and end the program with exit code 2."""
        super().error(printable(message))

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if self.commands and value not in self.commands:
            self.error(f"unknown command '{value}'.{suggest(value, self.commands)}")
        super()._check_value(action, value)


def add_commands(parser: CommandParser, package: str, names: Iterable[str]) -> None:
    """Add the named modules or families of ``package`` as commands."""
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
            added.fill_later(module)
