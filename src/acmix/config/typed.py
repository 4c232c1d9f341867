"""`Section`: a frozen dataclass that enforces its annotations, so every instance is valid.

Construction checks every field against its annotation, in the loader and in Python code alike.
Supported annotations are ``bool, int, float, str``, ``Literal``, ``X | Y``, ``tuple[X, ...]``,
``tuple[X, Y]``, ``dict[str, Any]``, nested sections, and ``Annotated[number, Range(...)]``.
"""

from __future__ import annotations

import dataclasses
import math
import sys
import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import (
    Annotated,
    Any,
    ClassVar,
    Literal,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

from acmix.errors import UserError, check, suggest
from acmix.utils.text import shorten


@dataclass(frozen=True)
class Range:
    """Bounds of a number, for ``Annotated``; a strict bound is exclusive."""

    low: float = -math.inf
    high: float = math.inf
    strict_low: bool = False
    strict_high: bool = False

    def __contains__(self, value: float) -> bool:
        above = value > self.low if self.strict_low else value >= self.low
        below = value < self.high if self.strict_high else value <= self.high
        return above and below

    def __str__(self) -> str:
        bounds = []
        if self.low > -math.inf:
            bounds.append(f"{'>' if self.strict_low else '>='} {self.low:.10g}")
        if self.high < math.inf:
            bounds.append(f"{'<' if self.strict_high else '<='} {self.high:.10g}")
        return " and ".join(bounds)


PositiveInt = Annotated[int, Range(low=1)]
NonNegativeInt = Annotated[int, Range(low=0)]
Positive = Annotated[float, Range(low=0, strict_low=True)]
NonNegative = Annotated[float, Range(low=0)]
Probability = Annotated[float, Range(low=0, high=1)]
Decay = Annotated[float, Range(low=0, high=1, strict_high=True)]
"""A fraction in [0, 1): momentum, betas, drop rates, label smoothing."""
Ratio = Annotated[float, Range(low=0, high=1, strict_low=True)]
"""A fraction in (0, 1]."""
ImageSize = Annotated[int, Range(low=1, high=8192)]
"""Side length of an input image in pixels; bounded, as it may come from an untrusted file."""
Magnitude = Annotated[float, Range(low=0, high=10)]
"""Magnitude of RandAugment."""
CropShare = Annotated[float, Range(low=0.1, high=1)]
Interpolation = Literal["nearest", "bilinear", "bicubic", "lanczos"]


S = TypeVar("S", bound="Section")


@dataclass(frozen=True)
class Section:
    """Base class of configuration dataclasses; ``prefix`` starts the dotted keys in errors.

    Attributes:
        fixed_on_resume: fields that a resumed run may not change: they decide what is learned.
        free_on_resume: fields that it changes without a word. A change of any other is logged.
    """

    prefix: ClassVar[str] = ""
    fixed_on_resume: ClassVar[frozenset[str]] = frozenset()
    free_on_resume: ClassVar[frozenset[str]] = frozenset()

    def __init_subclass__(cls, *, prefix: str = "") -> None:
        super().__init_subclass__()
        cls.prefix = prefix + "." if prefix else ""

    def __post_init__(self) -> None:
        for name, annotation in annotations_of(type(self)).items():
            value = convert(getattr(self, name), annotation, self.prefix + name)
            object.__setattr__(self, name, value)
        self.validate()

    def validate(self) -> None:
        """Check rules that involve several fields; sections with such rules override it."""

    @classmethod
    def from_dict(cls: type[S], tree: Any) -> S:
        """Create a section from a mapping of plain types, such as parsed YAML or JSON.

        Raises:
            UserError: ``tree`` is not a mapping, a key is unknown or missing, or a value has a
                wrong type or is out of range.
        """
        name = cls.prefix.rstrip(".") or "the configuration"
        check(
            isinstance(tree, Mapping),
            f"{name} must be a section of 'key: value' pairs, got {tree!r}.",
        )
        check_tree(cls, tree)
        for field in dataclasses.fields(cls):
            optional = not (field.default is field.default_factory is dataclasses.MISSING)
            check(optional or field.name in tree, f"{cls.prefix}{field.name} is missing.")
        return cls(**tree)

    def to_dict(self) -> dict[str, Any]:
        """Return the section as plain YAML and JSON types: nested dicts, lists for tuples."""
        return {name: _plain(getattr(self, name)) for name in annotations_of(type(self))}


def annotations_of(section: type[Section]) -> dict[str, Any]:
    """Return the annotation of every field of ``section``."""
    if section not in _annotations:  # evaluating them would take most of the time of loading
        hints = get_type_hints(section, include_extras=True)
        _annotations[section] = {
            field.name: hints[field.name] for field in dataclasses.fields(section)
        }
    return _annotations[section]


_annotations: dict[Any, dict[str, Any]] = {}


def is_section(annotation: Any) -> bool:
    """Return whether an annotation is a subclass of `Section`."""
    return isinstance(annotation, type) and issubclass(annotation, Section)


def check_tree(section: type[Section], tree: Mapping[Any, Any]) -> None:
    """Check the keys and values of a partial ``tree`` of ``section``; missing keys are allowed.

    Raises:
        UserError: an unknown key, a wrong type or a value out of range; names the dotted key.
    """
    annotations = annotations_of(section)
    for name, value in tree.items():
        key = f"{section.prefix}{name}"
        check(
            name in annotations,
            f"unknown key '{shorten(key, 80)}'.{_hint(section, shorten(str(name), 80))}",
        )
        annotation = annotations[name]
        if is_section(annotation) and isinstance(value, Mapping):
            check_tree(annotation, value)
        else:
            convert(value, annotation, key)


def convert(value: Any, annotation: Any, key: str) -> Any:
    """Convert ``value`` to the type of ``annotation``; ``key`` names it in errors.

    Only lossless conversions are allowed: int to float, list to tuple, mapping to section. Strings
    are never converted to numbers, nor bools to integers.
    """
    try:
        return _convert(value, annotation)
    except _Mismatch as mismatch:
        raise UserError(
            f"{key} must be {mismatch}, got {_shortened(value)}.{mismatch.hint}"
        ) from None


def _shortened(value: Any) -> str:
    try:
        return shorten(repr(value))
    except ValueError:  # Python refuses to print an integer of thousands of digits
        return f"a value of type {type(value).__name__} that is too long to print"


class _Mismatch(Exception):
    """Describes the expected value; internal, :func:`convert` turns it into a UserError."""

    def __init__(self, expected: str, hint: str = "") -> None:
        super().__init__(expected)
        self.hint = hint


_NOUNS = {bool: "true or false", int: "an integer", float: "a number", str: "a string"}


def _convert(value: Any, annotation: Any) -> Any:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        number, bounds = _convert(value, arguments[0]), arguments[1]
        if number not in bounds:
            raise _Mismatch(f"{_NOUNS[arguments[0]]} {bounds}")
        return number
    if origin in (Union, types.UnionType):
        return _convert_union(value, arguments)
    if origin is Literal:
        return _convert_choice(value, arguments)
    if origin is tuple:
        return _convert_tuple(value, arguments)
    if origin is dict:
        return _convert_mapping(value)
    if is_section(annotation):
        return value if isinstance(value, annotation) else annotation.from_dict(value)
    if annotation is type(None):
        return _require(value is None, value, "null")
    return _convert_scalar(value, annotation)


def _convert_scalar(value: Any, kind: type) -> Any:
    if kind is float and type(value) is int:
        _require(abs(value) <= sys.float_info.max, "", "a finite number")
        value = float(value)
    # type() rather than isinstance(), because bool is a subclass of int.
    _require(type(value) is kind, value, _NOUNS[kind])
    _require(kind is not int or abs(value) < 2**63, value, "an integer of at most 64 bits")
    return _require(kind is not float or math.isfinite(value), value, "a finite number")


def _convert_choice(value: Any, choices: tuple[Any, ...]) -> Any:
    if any(value == choice and type(value) is type(choice) for choice in choices):
        return value
    near = [choice for choice in choices if str(choice).lower() == str(value).lower()]
    hint = f" Did you mean {near[0]!r}?" if near else ""
    prefix = "one of " if len(choices) > 1 else ""
    raise _Mismatch(prefix + ", ".join(map(repr, choices)), hint)


def _convert_union(value: Any, members: tuple[Any, ...]) -> Any:
    mismatches = []
    for member in members:
        try:
            return _convert(value, member)
        except _Mismatch as mismatch:
            mismatches.append(mismatch)
    hints = "".join(mismatch.hint for mismatch in mismatches)
    raise _Mismatch(" or ".join(str(mismatch) for mismatch in mismatches), hints)


def _convert_tuple(value: Any, members: tuple[Any, ...]) -> tuple[Any, ...]:
    variadic = len(members) == 2 and members[1] is Ellipsis
    expected = "a list" if variadic else f"a list of {len(members)} values"
    _require(isinstance(value, (list, tuple)), value, expected)
    if variadic:
        members = members[:1] * len(value)
    _require(len(value) == len(members), value, expected)
    try:
        return tuple(_convert(item, member) for item, member in zip(value, members, strict=True))
    except _Mismatch as mismatch:
        raise _Mismatch(f"{expected}, each {mismatch}", mismatch.hint) from None


def _convert_mapping(value: Any) -> Any:
    """Convert the lists of a free-form mapping to tuples, and check that YAML can represent it."""
    if isinstance(value, Mapping):
        _require(all(isinstance(key, str) for key in value), value, "a mapping with string keys")
        return {key: _convert_value(item) for key, item in value.items()}
    raise _Mismatch("a mapping of 'key: value' pairs")


def _convert_value(value: Any) -> Any:
    if isinstance(value, Mapping):
        return _convert_mapping(value)
    if isinstance(value, (list, tuple)):
        return tuple(_convert_value(item) for item in value)
    if type(value) is int:
        return _convert_scalar(value, int)
    plain = value is None or type(value) in _NOUNS
    return _require(plain, value, "made of mappings, lists, strings, numbers, true, false and null")


def _require(condition: bool, value: Any, expected: str) -> Any:
    if not condition:
        raise _Mismatch(expected)
    return value


def _hint(section: type[Section], name: str) -> str:
    """Suggest the same name in another section, else a similar name in this one."""
    namesakes = dict.fromkeys(
        f"{owner.prefix}{name}" for owner in _family(section) if name in annotations_of(owner)
    )
    if namesakes:
        return " Did you mean " + " or ".join(f"'{key}'" for key in namesakes) + "?"
    return suggest(name, annotations_of(section))


def _family(section: type[Section]) -> Iterator[type[Section]]:
    """Yield all section classes from the package that defines ``section``."""
    pending = list(Section.__subclasses__())
    while pending:
        other = pending.pop(0)
        pending += other.__subclasses__()
        if _package(other) == _package(section):
            yield other


def _package(section: type[Section]) -> str:
    return section.__module__.rpartition(".")[0]


def _plain(value: Any) -> Any:
    if isinstance(value, Section):
        return value.to_dict()
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return value
