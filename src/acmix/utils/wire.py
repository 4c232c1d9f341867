"""Reader of Protocol Buffers' wire format: fields of a message, without a native parser.

A field is a varint ``number << 3 | kind``, then a value of that kind.
"""

from __future__ import annotations

from collections.abc import Iterator

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
_SIZES = {FIXED64: 8, FIXED32: 4}

Value = int | memoryview


class WireError(ValueError):
    """The bytes are not a message."""


def fields(message: memoryview) -> Iterator[tuple[int, int, Value]]:
    """Yield number, kind and value of each field.

    A value of kind :data:`BYTES` is a view, without a copy; other values are integers.

    Raises:
        WireError: the bytes are not a message; fields before the fault have been yielded.
    """
    at, end = 0, len(message)
    while at < end:
        key, at = varint(message, at)
        number, kind = key >> 3, key & 7
        if number == 0:
            raise WireError(f"a field of number 0 at byte {at}")
        value: Value
        if kind == VARINT:
            value, at = varint(message, at)
        elif kind == BYTES:
            size, at = varint(message, at)
            value, at = _slice(message, at, size), at + size
        elif kind in _SIZES:
            value = int.from_bytes(_slice(message, at, _SIZES[kind]), "little")
            at += _SIZES[kind]
        else:
            raise WireError(f"a field of kind {kind} at byte {at}")
        yield number, kind, value


def varint(message: memoryview, at: int) -> tuple[int, int]:
    """Return the integer of up to 64 bits that begins at ``at``, and the position behind it."""
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(message):
            raise WireError("the end is missing")
        byte = message[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value & (2**64 - 1), at
    raise WireError(f"an integer of more than 64 bits at byte {at}")


def integers(kind: int, value: Value, limit: int) -> list[int]:
    """Return the signed 64-bit integers of a repeated field, packed or not.

    Raises:
        WireError: the field is of another kind, or has more than ``limit`` integers.
    """
    if kind == VARINT and isinstance(value, int):
        return [_signed(value)]
    if kind != BYTES or not isinstance(value, memoryview):
        raise WireError(f"integers of kind {kind}")
    found: list[int] = []
    at = 0
    while at < len(value):
        if len(found) == limit:
            raise WireError(f"more than {limit} integers in one field")
        number, at = varint(value, at)
        found.append(_signed(number))
    return found


def content(kind: int, value: Value) -> memoryview:
    """Return the bytes of a field that must have some.

    Raises:
        WireError: the field is an integer.
    """
    if kind != BYTES or not isinstance(value, memoryview):
        raise WireError(f"a field of kind {kind} in place of bytes")
    return value


def text(kind: int, value: Value) -> str:
    """Return the string of a field.

    Raises:
        WireError: the field is an integer, or not UTF-8.
    """
    try:
        return bytes(content(kind, value)).decode()
    except UnicodeDecodeError as error:
        raise WireError("a string that is not UTF-8") from error


def _slice(message: memoryview, at: int, size: int) -> memoryview:
    if size > len(message) - at:
        raise WireError("the end is missing")
    return message[at : at + size]


def _signed(value: int) -> int:
    return value - 2**64 if value >= 2**63 else value
