"""Load a `Config` from YAML files, their ``_base_`` files and ``key=value`` overrides.

The merged value of ``task`` selects the configuration class. Every source is then checked
separately, so that an error names the file or override that contains the mistake.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import yaml

from acmix.config.override_text import annotation_at, read_value
from acmix.config.run import Config, check_keys, config_class
from acmix.config.yaml_text import MAX_CHARACTERS, MAX_DEPTH, parse_yaml
from acmix.errors import UserError, check
from acmix.utils.reading import read_bytes
from acmix.utils.text import first_few, shorten

_BASE = "_base_"
MAX_FILES = 100
"""Maximum number of files of a configuration; those here have at most four."""

Source = tuple[str, dict[str, Any]]
"""Name for error messages, and the partial configuration from that source."""


def load_config(path: str | Path | None, overrides: Sequence[str] = ()) -> Config:
    """Load a configuration.

    A file lists its base files under ``_base_`` (one path or a list, relative to the file).
    Sections are merged key by key: later bases override earlier ones, and the file overrides its
    bases. An override ``optim.lr=1e-3`` assigns a value to a dotted key, after all files. The
    type of the key decides how the text is read: a key that takes text gets it as it is, every
    other key takes YAML (:func:`acmix.config.override_text.read_value`).

    Args:
        path: YAML file; None for the defaults.
        overrides: ``key=value`` strings, applied in order.

    Raises:
        UserError: a missing or malformed file, a cycle of bases, an unknown key (with a
            suggestion), a wrong type or an invalid value; names the file or override.
    """
    tree: dict[str, Any] = {}
    sources: list[Source] = []
    if path is not None:
        tree["output"] = f"runs/{Path(path).stem}"
        sources = list(_files(Path(path), chain=(), total=count(1)))
        for _, own in sources:
            tree = merge(tree, own)
    task_class = _override_class(tree, overrides)
    for override in overrides:
        tree, source = _apply_override(tree, override, task_class)
        sources.append(source)
    try:
        cls = config_class(tree)
    except UserError as error:
        raise UserError(f"{_task_source(path, sources)}{error}") from None
    for source in sources:
        _check_source(cls, *source)
    try:
        return cls.from_dict(tree)
    except UserError as error:
        raise UserError(f"{path}: {error}" if path else str(error)) from None


def merge(base: Mapping[str, Any], top: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``base`` recursively updated by ``top``; the arguments are not modified."""
    merged = dict(base)
    for key, value in top.items():
        if isinstance(value, Mapping) and isinstance(merged.get(key), Mapping):
            value = merge(merged[key], value)
        merged[key] = value
    return merged


def _files(path: Path, chain: tuple[Path, ...], total: Iterator[int]) -> Iterator[Source]:
    """Yield all base files of a file, then the file itself; ``total`` counts them."""
    check(
        next(total) <= MAX_FILES,
        f"{path}: more than {MAX_FILES} files by way of {_BASE}; one that is named twice counts "
        "twice. Remove some.",
    )
    resolved = _resolved(path)
    if resolved in chain:
        circle = first_few([*chain[chain.index(resolved) :], resolved], limit=5)
        raise UserError(f"{_BASE} goes in a circle: {circle}. Remove one of the steps.")
    own = _read(path)
    bases = own.pop(_BASE, [])
    if isinstance(bases, str):
        bases = [bases]
    check(
        isinstance(bases, list) and all(isinstance(base, str) for base in bases),
        f"{path}: {_BASE} must be a path or a list of paths, got {shorten(repr(bases))}.",
    )
    for base in bases:
        yield from _files(path.parent / base, (*chain, resolved), total)
    yield str(path), own


def _read(path: Path) -> dict[str, Any]:
    try:
        text = read_bytes(path, 4 * MAX_CHARACTERS).decode()
    except (UserError, UnicodeDecodeError) as error:
        raise UserError(f"cannot read the configuration: {_about(path, error)}") from None
    try:
        tree = parse_yaml(text)
    except yaml.YAMLError as error:
        raise _not_yaml(str(path), error) from None
    if tree is None:
        return {}
    check(
        isinstance(tree, dict), f"{path}: must hold 'key: value' pairs, got {type(tree).__name__}."
    )
    return tree


def _resolved(path: Path) -> Path:
    try:
        return path.resolve()
    except (OSError, ValueError, RuntimeError) as error:  # a null character; a circle of links
        raise UserError(f"cannot read the configuration: {_about(path, error)}") from None


def _about(path: Path, error: Exception) -> str:
    return str(error) if isinstance(error, UserError) else f"{path}: {error}."


def _override_class(tree: Mapping[str, Any], overrides: Sequence[str]) -> type[Config] | None:
    """Return the class that says what type an override has; None for an unknown task."""
    tasks = [text for key, _, text in (item.partition("=") for item in overrides) if key == "task"]
    try:
        return config_class({"task": tasks[-1]} if tasks else _only(tree, "task"))
    except UserError:  # reported later, with the source that is wrong
        return None


def _only(tree: Mapping[str, Any], key: str) -> dict[str, Any]:
    return {key: tree[key]} if key in tree else {}


def _apply_override(
    tree: Mapping[str, Any], override: str, cls: type[Config] | None
) -> tuple[dict[str, Any], Source]:
    """Apply one ``dotted.key=value``; a mapping replaces the old value and is not merged."""
    name = f"override '{shorten(override)}'"
    key, equals, text = override.partition("=")
    parts = key.strip().split(".")
    check(
        bool(equals) and all(parts),
        f"{name} must have the form key=value, for example optim.lr=1e-3.",
    )
    check(len(parts) <= MAX_DEPTH, f"{name} is nested deeper than {MAX_DEPTH} levels.")
    try:
        value = read_value(text, annotation_at(cls, parts))
    except yaml.YAMLError as error:
        raise _not_yaml(name, error) from None
    except UserError as error:
        raise UserError(f"{name}: {error}") from None
    return _assign(tree, parts, value), (name, _nest(parts, value))


def _nest(parts: Sequence[str], value: Any) -> dict[str, Any]:
    return {parts[0]: _nest(parts[1:], value) if len(parts) > 1 else value}


def _assign(tree: Mapping[str, Any], parts: Sequence[str], value: Any) -> dict[str, Any]:
    if len(parts) > 1:
        inner = tree.get(parts[0])
        value = _assign(inner if isinstance(inner, Mapping) else {}, parts[1:], value)
    return {**tree, parts[0]: value}


def _check_source(cls: type[Config], name: str, tree: Mapping[str, Any]) -> None:
    try:
        check_keys(cls, tree)
    except UserError as error:
        raise UserError(f"{name}: {error}") from None


def _task_source(path: str | Path | None, sources: Sequence[Source]) -> str:
    """Return the error prefix for a wrong task: the source that sets it, else ``path``."""
    for name, tree in reversed(sources):
        if "task" in tree:
            return f"{name}: "
    return f"{path}: " if path else ""


def _not_yaml(source: str, error: yaml.YAMLError) -> UserError:
    reason = " ".join(str(error).replace('"<unicode string>", ', "").split())
    return UserError(f"{source}: not valid YAML: {shorten(reason, 400)}.")
