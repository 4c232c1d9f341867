"""Arguments of networks that come from a configuration: their types, and errors that name them."""

from __future__ import annotations

import numbers
import types
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import is_dataclass
from typing import Any, Union, get_args, get_origin, get_type_hints

from acmix.errors import UserError, check
from acmix.utils.text import shorten

_NOUNS = {bool: "true or false", int: "an integer", float: "a number", str: "a string"}
_OF_ARGUMENTS = (ValueError, TypeError, LookupError, ArithmeticError, RuntimeError, MemoryError)
_PLURALS = {int: "integers", float: "numbers", str: "strings"}


def check_types(what: str, owner: Any, arguments: Mapping[str, Any]) -> None:
    """Raise UserError for an argument whose type is not the annotated one.

    Args:
        what: name of the network in messages.
        owner: a class with a constructor, or a dataclass.
        arguments: by name; those without annotation, or with one of another kind than a bool, a
            number, a string, a sequence or a union of them, are not checked.
    """
    hints = get_type_hints(owner if is_dataclass(owner) else owner.__init__)
    for name, value in arguments.items():
        hint = hints.get(name, Any)
        check(
            _matches(value, hint),
            f"{what}: {name} must be {_noun(hint)}, got {shorten(repr(value), 80)}.",
        )


@contextmanager
def explaining(what: str, arguments: Mapping[str, Any]) -> Iterator[None]:
    """Raise a UserError that names ``arguments`` for what they make a constructor raise.

    A layer of MindSpore, many calls below, refuses ``embed_dim=0`` by a message about itself.
    """
    try:
        yield
    except UserError:
        raise
    except (
        ValueError,
        TypeError,
        LookupError,
        ArithmeticError,
        RuntimeError,
        MemoryError,
    ) as error:
        if not arguments:
            raise
        given = shorten(", ".join(f"{name}={value!r}" for name, value in arguments.items()))
        reason = shorten(" ".join(str(error).split()) or type(error).__name__)
        raise UserError(f"{what} cannot be made with {given}: {reason}") from error


def _matches(value: Any, hint: Any) -> bool:
    origin, members = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return any(_matches(value, member) for member in members)
    if origin is Sequence:
        return isinstance(value, (list, tuple)) and all(_matches(v, members[0]) for v in value)
    if hint is bool:
        return isinstance(value, bool)
    if hint in (int, float):
        kind = numbers.Integral if hint is int else numbers.Real
        return isinstance(value, kind) and not isinstance(value, bool)
    if hint in (str, type(None)):
        return isinstance(value, hint)
    return True


def _noun(hint: Any) -> str:
    origin, members = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return " or ".join(_noun(member) for member in members)
    if origin is Sequence:
        return f"a list of {_PLURALS.get(members[0], 'values')}"
    return "null" if hint is type(None) else _NOUNS.get(hint, str(hint))
