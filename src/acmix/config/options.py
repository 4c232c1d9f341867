"""All keys of the configurations: type, range, default and meaning, from the classes themselves."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import json
import re
import textwrap
import types
from collections.abc import Iterator, Mapping
from functools import cache
from itertools import pairwise
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin

from acmix.config.run import TASK_CONFIGS
from acmix.config.typed import Section, annotations_of, is_section
from acmix.config.yaml_text import parse_yaml

_PLAIN = re.compile(r"[A-Za-z][\w./-]*$")  # needs no quotes, unless it is a word such as null
_NOUNS = {bool: "true or false", int: "integer", float: "number", str: "text", type(None): "null"}


class Option(NamedTuple):
    """A key of a configuration.

    Attributes:
        key: dotted, ``optim.lr``.
        type: what it takes, with its range.
        default: as YAML; empty if the key has none.
        meaning: of the key, from the text below it in its class.
    """

    key: str
    type: str
    default: str
    meaning: str


def all_options() -> dict[Option, tuple[str, ...]]:
    """Return all keys with the tasks that have them, in the order of the configuration.

    A key that differs between tasks is there once for each form.
    """
    tasks: dict[Option, list[str]] = {}
    for task, cls in TASK_CONFIGS.items():
        for option in options_of(cls):
            tasks.setdefault(option, []).append(task)
    places = {key: i for i, key in enumerate(dict.fromkeys(o.key for o in tasks))}
    sections = list(dict.fromkeys(key.rpartition(".")[0] for key in places))
    in_order = sorted(
        tasks, key=lambda o: (sections.index(o.key.rpartition(".")[0]), places[o.key])
    )
    return {option: tuple(tasks[option]) for option in in_order}


def keys_called(name: str) -> list[str]:
    """Return the keys whose last part is ``name``."""
    return list(dict.fromkeys(o.key for o in all_options() if o.key.split(".")[-1] == name))


def options_of(section: type[Section]) -> Iterator[Option]:
    """Yield the keys of a section and those below it."""
    meanings = _meanings(section)  # type: ignore[arg-type]  # a class is hashable
    for field in dataclasses.fields(section):
        annotation = annotations_of(section)[field.name]
        if is_section(annotation):
            yield from options_of(annotation)
            continue
        value = field.default
        if field.default_factory is not dataclasses.MISSING:
            value = field.default_factory()
        default = "" if value is dataclasses.MISSING else as_yaml(value)
        key = section.prefix + field.name
        yield Option(key, type_text(annotation), default, meanings.get(field.name, ""))


def resolved(values: Mapping[str, Any], defaults: Mapping[str, Any], indent: str = "") -> str:
    """Return a configuration as YAML; a comment has the default where a value differs from it."""
    lines = []
    for key, value in values.items():
        default = defaults.get(key)
        if isinstance(value, Mapping) and isinstance(default, Mapping) and default:
            lines.append(f"{indent}{key}:")
            lines += [resolved(value, default, indent + "  ")]
            continue
        note = "" if value == default else f"  # default: {as_yaml(default)}"
        lines.append(f"{indent}{key}: {as_yaml(value)}{note}")
    return "\n".join(lines)


def changes(
    values: Mapping[str, Any], others: Mapping[str, Any], prefix: str = ""
) -> Iterator[tuple[str, Any, Any]]:
    """Yield the dotted keys that differ in two configurations, with both values."""
    for key, value in values.items():
        other = others.get(key)
        if isinstance(value, Mapping) and isinstance(other, Mapping) and other:
            yield from changes(value, other, f"{prefix}{key}.")
        elif value != other:
            yield prefix + key, value, other


def type_text(annotation: Any) -> str:
    """Return what a key of a type takes, as a phrase."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return f"{_NOUNS[arguments[0]]} {arguments[1]}"
    if origin in (Union, types.UnionType):
        return " or ".join(map(type_text, arguments))
    if origin is Literal:
        return ", ".join(map(as_yaml, arguments))
    if origin is tuple:
        members = [type_text(member) for member in arguments if member is not Ellipsis]
        count = "" if Ellipsis in arguments else f"{len(members)} x "
        return f"list of {count}{' and '.join(dict.fromkeys(members))}"
    return "mapping" if origin is dict else _NOUNS[annotation]


def as_yaml(value: Any) -> str:
    """Return a plain value as YAML in one line."""
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(as_yaml, value))}]"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {as_yaml(item)}" for key, item in value.items()) + "}"
    if isinstance(value, str) and _PLAIN.match(value) and parse_yaml(value) == value:
        return value
    return json.dumps(value, ensure_ascii=False)


@cache
def _meanings(section: type[Section]) -> dict[str, str]:
    """Return the texts below the fields of a class and of those that it derives from."""
    found: dict[str, str] = {}
    for cls in reversed(section.__mro__):
        if not (dataclasses.is_dataclass(cls) and issubclass(cls, Section)):
            continue
        (tree,) = ast.parse(textwrap.dedent(inspect.getsource(cls))).body
        body = getattr(tree, "body", [])
        for field, text in pairwise(body):
            if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
                if isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant):
                    found[field.target.id] = " ".join(str(text.value.value).split())
    return found
