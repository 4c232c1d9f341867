"""Load a `Config` from YAML files, their ``_base_`` files and ``key=value`` overrides.

The merged value of ``task`` selects the configuration class. Every source is then checked
separately, so that an error names the file or override that contains the mistake.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from acmix.config.run import Config, check_keys, config_class
from acmix.config.yaml_text import MAX_CHARACTERS, parse_yaml
from acmix.errors import UserError, check

_BASE = "_base_"

Source = tuple[str, dict[str, Any]]
"""Name for error messages, and the partial configuration from that source."""


def load_config(path: str | Path | None, overrides: Sequence[str] = ()) -> Config:
    """Load a configuration.

    A file lists its base files under ``_base_`` (one path or a list, relative to the file).
    Sections are merged key by key: later bases override earlier ones, and the file overrides its
    bases. An override ``optim.lr=1e-3`` assigns a YAML value to a dotted key, after all files.

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
        sources = list(_files(Path(path), chain=()))
        for _, own in sources:
            tree = merge(tree, own)
    for override in overrides:
        tree, source = _apply_override(tree, override)
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


def _files(path: Path, chain: tuple[Path, ...]) -> Iterator[Source]:
    """Yield all base files of a file, then the file itself."""
    resolved = _resolved(path)
    circle = " -> ".join(str(step) for step in (*chain, resolved))
    check(resolved not in chain, f"{_BASE} goes in a circle: {circle}. Remove one of the steps.")
    own = _read(path)
    bases = own.pop(_BASE, [])
    if isinstance(bases, str):
        bases = [bases]
    check(
        isinstance(bases, list) and all(isinstance(base, str) for base in bases),
        f"{path}: {_BASE} must be a path or a list of paths, got {bases!r}.",
    )
    for base in bases:
        yield from _files(path.parent / base, (*chain, resolved))
    yield str(path), own


def _read(path: Path) -> dict[str, Any]:
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read(MAX_CHARACTERS + 1)  # bounded: a device file has no end
    except (OSError, UnicodeDecodeError) as error:
        raise _unreadable(path, error) from None
    tree = _parse_yaml(text, str(path))
    if tree is None:
        return {}
    check(
        isinstance(tree, dict), f"{path}: must hold 'key: value' pairs, got {type(tree).__name__}."
    )
    return tree


def _resolved(path: Path) -> Path:
    try:
        return path.resolve()
    except (OSError, ValueError) as error:  # ValueError: a null character in the name
        raise _unreadable(path, error) from None


def _unreadable(path: Path, error: Exception) -> UserError:
    reason = getattr(error, "strerror", None) or error
    return UserError(f"cannot read the configuration {path}: {reason}.")


def _apply_override(tree: Mapping[str, Any], override: str) -> tuple[dict[str, Any], Source]:
    """Apply one ``dotted.key=value``; a mapping replaces the old value and is not merged."""
    key, equals, text = override.partition("=")
    parts = key.strip().split(".")
    check(
        bool(equals) and all(parts),
        f"override '{override}' must have the form key=value, for example optim.lr=1e-3.",
    )
    name = f"override '{override}'"
    value = _parse_yaml(text, name)
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


def _parse_yaml(text: str, source: str) -> Any:
    try:
        return parse_yaml(text)
    except yaml.YAMLError as error:
        raise UserError(f"{source}: not valid YAML: {' '.join(str(error).split())}.") from None
