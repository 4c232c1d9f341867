"""Registry of entries by name, with suggestions for unknown names."""

from __future__ import annotations

import fnmatch
import importlib
from collections.abc import Callable, Iterator
from typing import Any, Generic, TypeVar

from acmix.errors import UserError, check, suggest

Entry = TypeVar("Entry")
Class = TypeVar("Class", bound=type)


class Registry(Generic[Entry]):
    """A dictionary of plug-ins that refuses duplicates and suggests near names.

    Args:
        kind: kind of the entries in messages, for example ``model``.
    """

    def __init__(self, kind: str):
        self.kind = kind
        self._entries: dict[str, Entry] = {}

    def add(self, name: str, entry: Entry) -> None:
        """Register ``entry``; raise UserError if the name is taken."""
        check(name not in self._entries, f"{self.kind} '{name}' is already registered.")
        self._entries[name] = entry

    def register(self, name: str) -> Callable[[Class], Class]:
        """Return a decorator that registers a class under ``name``."""

        def decorate(cls: Class) -> Class:
            self.add(name, cls)  # type: ignore[arg-type]
            return cls

        return decorate

    def remove(self, name: str) -> None:
        """Remove the entry ``name``."""
        del self._entries[name]

    def __getitem__(self, name: str) -> Entry:
        """Return the entry ``name``; raise UserError with near names if there is none."""
        if name not in self._entries:
            raise UserError(f"{self.kind} '{name}' is unknown.{suggest(name, self._entries)}")
        return self._entries[name]

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names in the order of registration."""
        return iter(self._entries)

    def values(self) -> list[Entry]:
        """Return the entries in the order of registration."""
        return list(self._entries.values())

    def names(self, pattern: str = "*") -> list[str]:
        """Return the names that match a shell pattern, sorted."""
        return sorted(fnmatch.filter(self._entries, pattern))


def load_object(path: str) -> Any:
    """Return the object at ``"package.module:name"``, importing its module."""
    module, _, name = path.partition(":")
    return getattr(importlib.import_module(module), name)
