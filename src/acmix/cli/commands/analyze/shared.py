"""What several analyses share: the model of a checkpoint, and short names of paths."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Callable, Sequence

from acmix.errors import check


def add_model(parser: ArgumentParser) -> None:
    """Add ``--model``, the network of a checkpoint that lies in no run folder."""
    parser.add_argument("--model", metavar="MODEL", help="default: that of the run folder")


def check_overrides(model: str | None, overrides: Sequence[str]) -> None:
    """Refuse overrides of a run, which has a configuration of its own."""
    check(
        model is not None or not overrides,
        f"{' '.join(overrides)}: overrides are for --model; a run is opened as it was trained.",
    )


def named(paths: Sequence[str], name_of: Callable[[str], str]) -> dict[str, str]:
    """Return the paths by short names, by themselves where those are not unique."""
    names = [name_of(path) for path in paths]
    check(len(set(paths)) == len(paths), f"{' '.join(paths)}: name each path once.")
    return {
        name if names.count(name) == 1 else path: path
        for name, path in zip(names, paths, strict=True)
    }
