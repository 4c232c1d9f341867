"""Read ``.npz``, a zip archive of NumPy's arrays, without pickles."""

from __future__ import annotations

import ast

from acmix.convert.archive import Archive, damage_reported
from acmix.convert.pending import Pending
from acmix.errors import UserError, check
from acmix.utils.array_types import BYTES, NUMPY_KINDS, bytes_of, to_array
from acmix.utils.limits import shape_problem
from acmix.utils.text import shorten

MAX_HEADER_BYTES = 2000
"""Longest header of an array; NumPy writes 118 bytes."""

_MAGIC = b"\x93NUMPY"
_SUFFIX = ".npy"


def is_npz(names: list[str]) -> bool:
    """Whether a zip archive of these members was written by NumPy."""
    return any(name.endswith(_SUFFIX) for name in names)


def read_npz(archive: Archive) -> dict[str, Pending]:
    """Return the arrays of an archive by name; they are checked, but not kept in memory.

    Raises:
        UserError: an array is damaged, or holds objects or texts.
    """
    return {
        name.removesuffix(_SUFFIX): _array(archive, name)
        for name in archive.names
        if name.endswith(_SUFFIX)
    }


def _array(archive: Archive, name: str) -> Pending:
    content = archive.read(name)
    with damage_reported(archive.path):
        dtype, fortran, shape, start = _header(content)
    quoted = f"'{shorten(name.removesuffix(_SUFFIX), 100)}'"
    kind = _kind(dtype)
    if kind not in BYTES:
        raise UserError(
            f"{archive.path}: {quoted} is not an array of numbers that is read (type "
            f"{shorten(dtype, 30)}); keep only arrays of numbers in the file."
        )
    check(
        not shape_problem(shape) and len(content) - start == bytes_of(kind, shape),
        f"{archive.path} is damaged: {quoted} has {len(content) - start} bytes, which do not fit "
        f"its shape {shorten(str(shape), 80)}.",
    )
    big_endian = dtype.startswith(">")
    if fortran:
        array = to_array(content[start:], kind, shape[::-1], big_endian).transpose().copy()
    else:
        array = to_array(content[start:], kind, shape, big_endian)
    return Pending(kind, shape, lambda: array)


def _header(content: bytes) -> tuple[str, bool, tuple[int, ...], int]:
    """Return type, order and shape of an array, and where its numbers begin."""
    if content[:6] != _MAGIC or len(content) < 12:
        raise ValueError("a member that is no array of NumPy")
    width = 2 if content[6] == 1 else 4
    size = int.from_bytes(content[8 : 8 + width], "little")
    start = 8 + width + size
    if size > MAX_HEADER_BYTES or start > len(content):
        raise ValueError(f"an array with a header of {size} bytes")
    try:
        header = ast.literal_eval(content[8 + width : start].decode("latin-1").strip())
    except (SyntaxError, MemoryError, RecursionError, TypeError) as error:
        raise ValueError("an array whose header cannot be read") from error
    match header:
        case {"descr": str(dtype), "fortran_order": bool(fortran), "shape": tuple(shape)}:
            return dtype, fortran, shape, start
        case {"descr": _, "fortran_order": _, "shape": _}:
            return "a table of several types", False, (), start
    raise ValueError("an array whose header cannot be read")


def _kind(dtype: str) -> str:
    """Return the element type of NumPy's short name, such as ``<f4``."""
    return NUMPY_KINDS.get(dtype[1:] if dtype[:1] in "<>|=" else dtype, dtype)
