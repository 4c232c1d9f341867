"""Arguments that several commands share: types of values, options, and how they are read."""

from __future__ import annotations

import argparse
import os
import re
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterable, Sequence
from glob import glob
from pathlib import Path
from typing import TYPE_CHECKING

from acmix.errors import check, suggest

if TYPE_CHECKING:
    from acmix.utils.table import Style

CONFIG_HELP = "YAML file, for example configs/classification/digits_acmix_swin.yaml"
MODELS_HELP = "a name out of 'acmix list' or 'acmix list --detectors'"
OVERRIDES_HELP = "override a key of the configuration, for example optim.lr=1e-3"
SIZE_METAVAR = "S or HxW"

_OVERRIDE = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*=")


# Types of values


def positive(text: str) -> int:
    """Read a whole number of at least 1."""
    try:
        value = int(text)
    except ValueError:
        value = 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"'{text}' is not a whole number of at least 1")
    return value


def size(text: str) -> tuple[int, int]:
    """Read height and width: ``224`` or ``800x1333``."""
    height, _, width = text.partition("x")
    return positive(height), positive(width or height)


class JsonOutput:
    """Where ``--json`` puts a result: into a file, or for ``-`` on standard output.

    Attributes:
        is_stdout: the result is printed; then nothing else is.
    """

    def __init__(self, file: str):
        self.is_stdout = file == "-"
        self._file = file
        self._stdout = sys.stdout  # as it is now: while the command runs it leads nowhere

    def write(self, content: str) -> None:
        """Write the result."""
        if self.is_stdout:
            print(content.rstrip("\n"), file=self._stdout)
            return
        from acmix.utils.files import write_text

        write_text(Path(self._file), content)


# Options


def add_config(parser: ArgumentParser) -> None:
    """Add ``CONFIG [key=value ...]``."""
    parser.add_argument("config", metavar="CONFIG", help=CONFIG_HELP)
    add_overrides(parser)


def add_overrides(parser: ArgumentParser, help: str = OVERRIDES_HELP) -> None:
    """Add ``[key=value ...]``."""
    parser.add_argument("overrides", nargs="*", default=[], metavar="key=value", help=help)


def add_checkpoint(parser: ArgumentParser) -> None:
    """Add ``--checkpoint CKPT``, which must be given."""
    parser.add_argument("--checkpoint", required=True, metavar="CKPT")


def add_json(parser: ArgumentParser, what: str = "the result") -> None:
    """Add ``--json FILE``."""
    parser.add_argument(
        "--json",
        type=JsonOutput,
        metavar="FILE",
        help=f"write {what} as JSON; - prints it, and nothing else",
    )


def add_load(parser: ArgumentParser, what: str = "results that --json wrote") -> None:
    """Add ``--load FILE [FILE ...]``."""
    parser.add_argument(
        "--load",
        nargs="+",
        metavar="FILE",
        help=f"show {what}; a pattern like 'models*.json' stands for several",
    )


def add_markdown(parser: ArgumentParser) -> None:
    """Add ``--markdown``."""
    parser.add_argument("--markdown", action="store_true", help="print Markdown tables")


def add_fuse(parser: ArgumentParser, default: bool | None = True) -> None:
    """Add ``--fuse`` and ``--no-fuse``."""
    parser.add_argument(
        "--fuse",
        action=argparse.BooleanOptionalAction,
        default=default,
        help="the inference form, the same function, faster; or the network as it is trained",
    )


def add_input_size(parser: ArgumentParser, help: str) -> None:
    """Add ``--input-size``, height and width."""
    parser.add_argument("--input-size", type=size, metavar=SIZE_METAVAR, help=help)


def add_rounds(parser: ArgumentParser, warmup: int = 3, repeats: int = 20) -> None:
    """Add ``--warmup`` and ``--repeats`` of a measurement."""
    for name, default in (("--warmup", warmup), ("--repeats", repeats)):
        parser.add_argument(
            name, type=positive, default=default, metavar="N", help="rounds; default %(default)s"
        )


# How they are read


def split_overrides(arguments: Iterable[str]) -> tuple[list[str], list[str]]:
    """Separate files (or other names) from overrides ``key=value``, which may be mixed.

    What exists is a file. So is what does not look like a key before its ``=``: a path like
    ``runs/lr=1e-3/last.ckpt`` stays one.

    Returns:
        The files and the overrides, both in their order.
    """
    files: list[str] = []
    overrides: list[str] = []
    for argument in arguments:
        is_override = _OVERRIDE.match(argument) and not os.path.exists(argument)
        (overrides if is_override else files).append(argument)
    return files, overrides


def style(options: Namespace) -> Style:
    """Return the style of tables that ``--markdown`` chooses."""
    return "markdown" if options.markdown else "text"


def load_files(patterns: Sequence[str]) -> list[Path]:
    """Return the files, or folders, that ``--load`` names.

    Raises:
        UserError: there is none for one of the patterns.
    """
    files: list[Path] = []
    for pattern in patterns:
        # A name with brackets can be a file's own.
        found = [pattern] if os.path.exists(pattern) else sorted(glob(pattern))
        check(bool(found), f"--load: {pattern} does not exist; --json writes such a file.")
        files += map(Path, found)
    return files


def check_names(names: Iterable[str], what: str = "model or detector") -> None:
    """Refuse names that are not registered, and suggest near ones."""
    from acmix.config import TASK_CONFIGS
    from acmix.models import list_networks

    known = [name for cls in TASK_CONFIGS.values() for name in list_networks(cls.networks)]
    for name in names:
        check(name in known, f"{what}: '{name}' is unknown.{suggest(name, known)}")
