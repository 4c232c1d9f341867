"""The bytes of arrays in pickles that are read as data, see :mod:`acmix.utils.pickled`."""

from __future__ import annotations

from acmix.utils.pickled import Record


def stored_bytes(value: object) -> bytes:
    """Return the bytes of an array: as such, as Python 2 wrote them, or as protocol 2 does.

    Python 2 and protocol 2 have texts in Latin-1 instead. What is neither gives no bytes.
    """
    if isinstance(value, bytes | bytearray):
        return bytes(value)
    if isinstance(value, Record) and value.name == "_codecs.encode":
        value, *_ = value.arguments if isinstance(value.arguments, tuple) else ("",)
    return value.encode("latin-1", "replace") if isinstance(value, str) else b""
