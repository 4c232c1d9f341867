"""Arguments that several analyses share: the model of a checkpoint, short names of paths."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Callable, Sequence

from acmix.errors import check


def add_model(parser: ArgumentParser) -> None:
    """Add ``--model``, the network of a checkpoint outside of a run folder."""
    parser.add_argument("--model", metavar="MODEL", help="model; default: that of the run folder")


def check_overrides(model: str | None, overrides: Sequence[str]) -> None:
    """Raise :class:`UserError` for overrides of a run, which has its own configuration."""
    check(
        model is not None or not overrides,
        f"{' '.join(overrides)}: overrides are for --model; a run is opened as it was trained.",
    )


def short_names(paths: Sequence[str], name_of: Callable[[str], str]) -> dict[str, str]:
    """Return paths by short name; a path with an ambiguous name is its own key."""
    names = [name_of(path) for path in paths]
    check(len(set(paths)) == len(paths), f"{' '.join(paths)}: name each path once.")
    return {
        name if names.count(name) == 1 else path: path
        for name, path in zip(names, paths, strict=True)
    }
