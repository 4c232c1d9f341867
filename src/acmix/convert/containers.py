"""Find the state dict in what training scripts store around it, and tell what is left out."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from acmix.convert.pending import Pending
from acmix.errors import UserError
from acmix.utils.pickled import Global, Record
from acmix.utils.text import first_few, shorten

CONTAINERS = (
    "state_dict", "model", "model_state_dict", "model_state", "state", "net", "network", "module",
    "params", "parameters", "weights", "teacher", "student", "generator", "backbone", "encoder",
    "ema", "model_ema", "ema_model", "ema_state_dict", "state_dict_ema", "model_ema_state_dict",
    "params_ema", "shadow_params", "g_ema",
)  # fmt: skip
"""Keys under which training scripts store a state dict."""

MAX_DEPTH = 6
"""Deepest nesting at which tensors are looked for; scripts nest up to three dicts."""

_MAX_VISITS = 100_000
_NO_WEIGHTS = re.compile(r"optim|sched|scaler|loss|rng|random|callback|hyper|config|^args$|metric")
_WRAPPERS = {"module", "_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"}
"""Parts of names that parallel training and torch.compile add; no layer has such a name."""

_HOSTILE = re.compile(
    r"^(os|posix|nt|subprocess|sys|shutil|socket|runpy|importlib|imp|pty|code|ctypes|marshal|pickle"
    r"|webbrowser|urllib|http|requests|_io|io|tempfile|signal|zipimport)\."
    r"|^builtins\.(exec|eval|compile|open|__import__|execfile|input|breakpoint)$"
)
_HARMLESS = ("numpy.", "torch.", "datetime.", "pathlib.", "collections.", "decimal.", "uuid.")

Leaf = np.ndarray | Pending
Meaning = Callable[[object], object]


@dataclass(frozen=True)
class Found:
    """A state dict.

    Attributes:
        path: keys that lead to it, joined by dots; empty at the top.
        tensors: by name.
        others: entries that are no tensors, with their types.
    """

    path: str
    tensors: dict[str, Leaf]
    others: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"'{shorten(self.path, 100)}' ({len(self.tensors)} tensors)"


def find_state(
    source: object, content: object, key: str | None = None, meaning: Meaning = lambda value: value
) -> Found:
    """Return the state dict in the content of a file.

    Args:
        source: names the file in messages.
        content: nested dicts, of which some hold tensors.
        key: keys that lead to the wanted one, joined by dots, or the beginning of its names.
        meaning: turns what the file holds into dicts and tensors.

    Raises:
        UserError: there are no tensors, or several state dicts and ``key`` is none of them.
    """
    search = _Search(meaning)
    if key is not None:
        named = search.below(content, key)
        found = list(search.states(named, key)) if named is not None else []
        return _only(source, found, key) if found else _by_prefix(source, search, content, key)
    found = list(search.states(content, ""))
    if not found:
        raise UserError(f"{source} holds no tensors{_instead(content, meaning)}.")
    return _only(source, found, key)


def without_wrappers(names: list[str]) -> dict[str, str]:
    """Return the names without the parts that wrappers add; unchanged if two became one."""
    short = {
        name: ".".join(part for part in name.split(".") if part not in _WRAPPERS) for name in names
    }
    return short if len(set(short.values())) == len(names) else {name: name for name in names}


def check_harmless(source: object, called: frozenset[str], content: object) -> None:
    """Raise UserError if unpickling the file would call what no file of weights needs."""
    hostile = sorted(name for name in called if _HOSTILE.search(name))
    if not hostile:
        return
    places = {record.name: place for place, record in records(content)}
    at = f" at '{places[hostile[0]]}'" if hostile[0] in places else ""
    raise UserError(
        f"{source} is hostile: PyTorch or pickle would call {shorten(hostile[0], 80)}{at} to open "
        "it. Such objects are never loaded; nothing was read or run. Delete the file."
    )


def foreign_objects(content: object) -> list[str]:
    """Return the objects that are no tensors, numbers or texts, as ``type at 'place'``."""
    return [
        f"{shorten(record.name, 80)} at '{shorten(place, 80)}'"
        for place, record in records(content)
        if not record.name.startswith(_HARMLESS)
        and not (isinstance(record.state, dict) and "_parameters" in record.state)
        and record.name not in ("_codecs.encode", "an object")
    ]


def records(content: object) -> Iterator[tuple[str, Record]]:
    """Yield the objects in nested dicts and lists, with the keys that lead there."""
    pending: list[tuple[str, object, int]] = [("", content, 0)]
    seen: set[int] = set()
    for _ in range(_MAX_VISITS):
        if not pending:
            return
        place, value, depth = pending.pop()
        if id(value) in seen or depth > MAX_DEPTH:
            continue
        seen.add(id(value))
        inner: list[tuple[Any, Any]] = []
        if isinstance(value, Record):
            yield place or "the top", value
            inner = list(value.items.items())
        elif isinstance(value, Mapping):
            inner = list(value.items())
        elif isinstance(value, list | tuple):
            inner = list(enumerate(value))
        pending += [
            (_below(place, name), item, depth + 1)
            for name, item in reversed(inner[:_MAX_VISITS])
            if isinstance(item, Record | Mapping | list | tuple)
        ]


class _Search:
    def __init__(self, meaning: Meaning):
        self.meaning = meaning
        self.seen: set[int] = set()

    def mapping(self, value: object) -> dict[Any, Any] | None:
        """Return the dict that ``value`` means; None if it means none."""
        meant = self.meaning(value)
        return dict(meant) if isinstance(meant, Mapping) else None

    def states(self, content: object, path: str, depth: int = 0) -> Iterator[Found]:
        """Yield the state dicts, those under usual keys only where there are any."""
        mapping = self.mapping(content)
        if mapping is None or id(content) in self.seen or depth > MAX_DEPTH:
            return
        self.seen.add(id(content))
        usual = [key for key in CONTAINERS if key in mapping]
        found = list(self._below(mapping, usual, path, depth))
        if not found:
            meant = {name: self.meaning(value) for name, value in mapping.items()}
            tensors = {str(k): v for k, v in meant.items() if isinstance(v, Leaf)}
            if tensors:
                others = {str(k): _type(v) for k, v in meant.items() if not isinstance(v, Leaf)}
                found = [Found(path, tensors, others)]
        if not found:
            rest = [k for k in mapping if isinstance(k, str) and not _NO_WEIGHTS.search(k.lower())]
            found = list(self._below(mapping, rest[:1000], path, depth))
        most = max((len(state.tensors) for state in found), default=0)
        yield from (state for state in found if 10 * len(state.tensors) >= most)

    def _below(
        self, mapping: dict[Any, Any], keys: list[str], path: str, depth: int
    ) -> Iterator[Found]:
        for key in keys:
            yield from self.states(mapping[key], _below(path, key), depth + 1)

    def below(self, content: object, key: str) -> object | None:
        """Return what the keys ``key``, joined by dots, lead to; None if they lead nowhere."""
        mapping = self.mapping(content)
        if mapping is None:
            return None
        if key in mapping:
            return mapping[key]
        for at in (match.start() for match in re.finditer(r"\.", key[:1000])):
            if key[:at] in mapping:
                return self.below(mapping[key[:at]], key[at + 1 :])
        return None


def _only(source: object, found: list[Found], key: str | None) -> Found:
    if len(found) == 1:
        return found[0]
    choices = first_few(found)
    raise UserError(
        f"{source} holds several sets of weights{f' under {key!r}' if key else ''}: {choices}. "
        "Name one: --key NAME, or model.pretrained_key=NAME."
    )


def _by_prefix(source: object, search: _Search, content: object, key: str) -> Found:
    """Return the tensors whose names begin with ``key``."""
    search.seen.clear()
    states = list(search.states(content, ""))
    for state in states:
        prefix = f"{key.rstrip('.')}."
        tensors = {
            k.removeprefix(prefix): v for k, v in state.tensors.items() if k.startswith(prefix)
        }
        if tensors:
            return Found(_below(state.path, key), tensors)
    mapping = search.mapping(content) or {}
    keys = first_few([f"'{shorten(str(name), 60)}'" for name in mapping])
    raise UserError(
        f"{source} holds no tensors under '{key}'. It has "
        f"{first_few(states) if states and states[0].path else keys or 'nothing'}."
    )


def _instead(content: object, meaning: Meaning) -> str:
    """Tell what the content is, for the error that there are no tensors."""
    meant = meaning(content)
    if not isinstance(meant, Mapping):
        return f" but a {_type(meant)}"
    inside = [f"'{shorten(str(key), 60)}': {_type(meaning(value))}" for key, value in meant.items()]
    return f" but {first_few(inside)}" if inside else " and nothing else"


def _type(value: object) -> str:
    if isinstance(value, Record):
        return shorten(value.name, 80)
    if isinstance(value, Global):
        return shorten(f"the name {value.name}", 80)
    if isinstance(value, Leaf):
        return "single tensor"
    return "dict" if isinstance(value, Mapping) else type(value).__name__


def _below(path: str, key: object) -> str:
    name = shorten(str(key), 100) if isinstance(key, str | int) else "?"
    return f"{path}.{name}" if path else name
