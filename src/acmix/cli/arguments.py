"""Arguments that several commands share: types of values, options, and their evaluation."""

from __future__ import annotations

import argparse
import os
from argparse import ArgumentParser, Namespace
from collections.abc import Iterable, Sequence
from glob import glob
from pathlib import Path
from typing import TYPE_CHECKING

from acmix.cli.outputs import JsonOutput
from acmix.config.detection import SHOWN_SCORE
from acmix.errors import check, suggest
from acmix.utils.command_line import is_override

if TYPE_CHECKING:
    from acmix.utils.table import Style

CONFIG_HELP = "configuration file, for example configs/classification/digits_acmix_swin.yaml"
MODELS_HELP = "name from 'acmix list', or from it with the option of another task"
SIZE_HELP = "image size in pixels; default: that of the paper's counts, for classifiers 224x224"
OVERRIDES_HELP = "override of a configuration key, for example optim.lr=1e-3"
SIZE_METAVAR = "S or HxW"


# Types of values


def positive(text: str) -> int:
    """Parse a whole number of at least 1."""
    try:
        value = int(text)
    except ValueError:
        value = 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"'{text}' is not a whole number of at least 1")
    return value


def share(text: str) -> float:
    """Parse a number from 0 to 1."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"'{text}' is not a number from 0 to 1")
    return value


def size(text: str) -> tuple[int, int]:
    """Parse height and width: ``224`` or ``800x1333``."""
    height, _, width = text.partition("x")
    return positive(height), positive(width or height)


# Options


def add_class_file(parser: ArgumentParser) -> None:
    """Add the option for class names of weights that have none, or for other names."""
    parser.add_argument(
        "--classes",
        metavar="FILE",
        help="names of the classes, a JSON list or one on each line; default: those of the run",
    )


def add_config(parser: ArgumentParser) -> None:
    """Add ``CONFIG [key=value ...]``."""
    parser.add_argument("config", metavar="CONFIG", help=CONFIG_HELP)
    add_overrides(parser)


def add_overrides(parser: ArgumentParser, help: str = OVERRIDES_HELP) -> None:
    """Add ``[key=value ...]``."""
    parser.add_argument("overrides", nargs="*", default=[], metavar="key=value", help=help)


def add_checkpoint(parser: ArgumentParser) -> None:
    """Add the required ``--checkpoint CKPT``."""
    parser.add_argument(
        "--checkpoint",
        required=True,
        metavar="CKPT",
        help="checkpoint, or run folder: its best checkpoint",
    )


def add_score(parser: ArgumentParser) -> None:
    """Add ``--score``: of the objects of a detector that are shown."""
    parser.add_argument(
        "--score",
        type=share,
        default=SHOWN_SCORE,
        metavar="S",
        help="leave out objects of a detector with a lower score, from 0 to 1; default: "
        "%(default)s",
    )


def add_json(parser: ArgumentParser, what: str = "the result") -> None:
    """Add ``--json FILE``."""
    parser.add_argument(
        "--json",
        type=JsonOutput,
        metavar="FILE",
        help=f"write {what} as JSON; - prints only the JSON",
    )


def add_load(parser: ArgumentParser, what: str = "results that --json wrote") -> None:
    """Add ``--load FILE [FILE ...]``."""
    parser.add_argument(
        "--load",
        nargs="+",
        metavar="FILE",
        help=f"show {what}; accepts patterns such as 'models*.json'",
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
        help="use the faster, equivalent inference form, or the network as trained",
    )


def add_input_size(parser: ArgumentParser, help: str) -> None:
    """Add ``--input-size``: height and width."""
    parser.add_argument("--input-size", type=size, metavar=SIZE_METAVAR, help=help)


def add_exported_batch(
    parser: ArgumentParser, default: int | None = 1, described: str = "%(default)s"
) -> None:
    """Add ``--batch-size`` and ``--dynamic-batch`` of an exported network."""
    parser.add_argument(
        "--batch-size",
        type=positive,
        default=default,
        metavar="B",
        help=f"images per call; default: {described}",
    )
    parser.add_argument("--dynamic-batch", action="store_true", help="leave the batch size open")


def add_rounds(parser: ArgumentParser, warmup: int = 3, repeats: int = 20) -> None:
    """Add ``--warmup`` and ``--repeats`` of a measurement."""
    for name, kind, default in (
        ("--warmup", "warm-up", warmup),
        ("--repeats", "measured", repeats),
    ):
        parser.add_argument(
            name,
            type=positive,
            default=default,
            metavar="N",
            help=f"{kind} rounds; default: %(default)s",
        )


# Evaluation


def split_overrides(arguments: Iterable[str]) -> tuple[list[str], list[str]]:
    """Return files (or other names) and overrides ``key=value``, both in order."""
    files: list[str] = []
    overrides: list[str] = []
    for argument in arguments:
        (overrides if is_override(argument) else files).append(argument)
    return files, overrides


def style(options: Namespace) -> Style:
    """Return the table style selected by ``--markdown``."""
    return "markdown" if options.markdown else "text"


def load_files(patterns: Sequence[str]) -> list[Path]:
    """Return the files or folders of ``--load``.

    Raises:
        UserError: a pattern matches nothing.
    """
    files: list[Path] = []
    for pattern in patterns:
        # An existing name may contain brackets itself.
        found = [pattern] if os.path.exists(pattern) else sorted(glob(pattern))
        check(bool(found), f"--load: {pattern} does not exist; --json writes such a file.")
        files += map(Path, found)
    return files


def check_names(names: Iterable[str], what: str = "model") -> None:
    """Raise :class:`UserError` for a name that is not registered, with suggestions."""
    from acmix.config import TASK_CONFIGS
    from acmix.models import list_networks

    known = [name for cls in TASK_CONFIGS.values() for name in list_networks(cls.networks)]
    for name in names:
        check(name in known, f"{what}: '{name}' is unknown.{suggest(name, known)}")
