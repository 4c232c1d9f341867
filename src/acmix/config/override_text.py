"""Read the text of an override ``key=value`` by the type of its key."""

from __future__ import annotations

import types
from collections.abc import Iterator, Sequence
from typing import Any, Literal, Union, get_args, get_origin

import yaml

from acmix.config.typed import annotations_of, convert, is_section
from acmix.config.yaml_text import has_comment, parse_yaml
from acmix.errors import UserError, check

_NOTHING = ("", "null")


def read_value(text: str, annotation: Any) -> Any:
    """Return the value of ``text`` for a key of type ``annotation``.

    The text of a key that takes text is the value, as it is: ``runs/try #2``, ``2024_11_25`` and
    ``no`` are names of folders. For a key that also takes null, ``null`` and an empty text are
    None; one that also takes numbers gets a number if the text is one. All other keys take YAML
    without comments, which would be lost.

    Args:
        text: what follows the first ``=``.
        annotation: type of the key, see :mod:`acmix.config.typed`; ``Any`` if it is not known.

    Raises:
        yaml.YAMLError: the text is not YAML, and the key takes no text.
        UserError: the text has a comment, and the key takes no text.
    """
    members = list(_members(annotation))
    others = [member for member in members if not _is_text(member)]
    if len(others) == len(members):
        return _parse(text)
    if type(None) in others and text in _NOTHING:
        return None
    for member in (other for other in others if other is not type(None)):
        try:
            return convert(_parse(text), member, "value")
        except (UserError, yaml.YAMLError):
            continue
    return text


def annotation_at(section: Any, parts: Sequence[str]) -> Any:
    """Return the type of the dotted key ``parts``; ``Any`` for unknown and free-form keys."""
    for part in parts:
        if not is_section(section):
            return Any
        section = annotations_of(section).get(part, Any)
    return section


def _members(annotation: Any) -> Iterator[Any]:
    """Yield the alternatives of a union, in order."""
    if get_origin(annotation) in (Union, types.UnionType):
        for member in get_args(annotation):
            yield from _members(member)
    else:
        yield annotation


def _is_text(annotation: Any) -> bool:
    if get_origin(annotation) is Literal:
        return all(isinstance(choice, str) for choice in get_args(annotation))
    return annotation is str


def _parse(text: str) -> Any:
    check(
        not has_comment(text),
        "YAML would drop the comment behind '#'; leave it out, or put quotes around a text.",
    )
    return parse_yaml(text)
