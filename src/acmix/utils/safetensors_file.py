"""Reader of ``.safetensors``: a JSON header of names, types and places, then the numbers.

The package ``safetensors`` gives the types that NumPy lacks no error of its own. Here each tensor
is checked before memory is taken for it.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from acmix.errors import UserError, check
from acmix.utils.array_types import bytes_of, to_array
from acmix.utils.limits import (
    MAX_FILE_BYTES,
    MAX_NAME,
    MAX_TENSORS,
    shape_problem,
    unread_type,
)
from acmix.utils.reading import read_bytes
from acmix.utils.text import shorten

MAX_HEADER_BYTES = 2**23
"""Largest header; 20,000 tensors take half of it."""

_KINDS = {
    "BOOL": "bool", "I8": "int8", "U8": "uint8", "I16": "int16", "U16": "uint16", "I32": "int32",
    "U32": "uint32", "I64": "int64", "U64": "uint64", "F16": "float16", "F32": "float32",
    "F64": "float64", "BF16": "bfloat16",
}  # fmt: skip
_METADATA = "__metadata__"
_CRC = "crc_num"
"""Key of the metadata under which MindSpore stores a CRC of names and contents."""


def looks_like_safetensors(start: bytes) -> bool:
    """Whether a file that begins with these bytes (9 or more) is ``.safetensors``."""
    return start[8:9] == b"{" and 2 <= int.from_bytes(start[:8], "little") <= 2**32


def read_safetensors(path: Path) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Return the arrays by name, bfloat16 as float32, and the metadata.

    Raises:
        UserError: the file is missing, damaged, or holds a type that is not read.
    """
    content = memoryview(read_bytes(path, MAX_FILE_BYTES))
    header, start = _header(path, content)
    metadata = _metadata(path, header.pop(_METADATA, {}))
    numbers = content[start:]
    places = {name: _place(path, name, entry) for name, entry in header.items()}
    end = 0
    for name, (kind, shape, begin, stop) in sorted(places.items(), key=lambda item: item[1][2:]):
        check(
            begin == end and stop - begin == bytes_of(kind, shape),
            f"{path} is damaged: the bytes of {_quoted(name)} are not where its shape {shape} "
            "puts them.",
        )
        end = stop
    check(
        end == len(numbers),
        f"{path} is damaged: its tensors take {end} bytes, but {len(numbers)} are there.",
    )
    if _CRC in metadata:
        check(
            str(_crc(places, numbers)) == metadata[_CRC],
            f"{path} is damaged: its CRC does not fit; use another one.",
        )
    arrays = {
        name: to_array(numbers[begin:stop], kind, shape)
        for name, (kind, shape, begin, stop) in places.items()
    }
    return arrays, metadata


def read_metadata(path: Path) -> dict[str, str]:
    """Return the metadata of a file without reading its numbers; empty if it has none.

    Raises:
        UserError: the file is missing or damaged.
    """
    try:
        with open(path, "rb") as file:
            start = file.read(8)
            start += file.read(min(int.from_bytes(start, "little"), MAX_HEADER_BYTES + 1))
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}.") from error
    return _metadata(path, _header(path, memoryview(start))[0].get(_METADATA, {}))


Place = tuple[str, tuple[int, ...], int, int]
"""Type, shape, first byte, and the byte behind the last."""


def _header(path: Path, content: memoryview) -> tuple[dict[str, Any], int]:
    """Return the header, and where the numbers begin."""
    size = int.from_bytes(content[:8], "little")
    check(
        len(content) >= 8 and size <= len(content) - 8,
        f"{path} is damaged or not a .safetensors file: its header is cut off.",
    )
    check(
        size <= MAX_HEADER_BYTES,
        f"{path} has a header of {size} bytes; up to {MAX_HEADER_BYTES} are read.",
    )
    try:
        header = json.loads(bytes(content[8 : 8 + size]), object_pairs_hook=_without_repeats)
    except (ValueError, RecursionError) as error:
        reason = shorten(str(error), 80)
        raise UserError(
            f"{path} is damaged or not a .safetensors file: its header is not JSON ({reason})."
        ) from error
    check(isinstance(header, dict), f"{path} is damaged: its header is no JSON object.")
    check(
        len(header) <= MAX_TENSORS,
        f"{path} lists {len(header)} tensors; up to {MAX_TENSORS} are read.",
    )
    return header, 8 + size


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name twice")
    return found


def _metadata(path: Path, metadata: object) -> dict[str, str]:
    check(
        isinstance(metadata, dict) and all(isinstance(value, str) for value in metadata.values()),
        f"{path} is damaged: its metadata are no texts.",
    )
    return dict(metadata) if isinstance(metadata, Mapping) else {}


def _place(path: Path, name: str, entry: object) -> Place:
    check(len(name) <= MAX_NAME, f"{path} has a tensor whose name has {len(name)} characters.")
    quoted = _quoted(name)
    match entry:
        case {"dtype": str(dtype), "shape": [*shape], "data_offsets": [begin, end]}:
            kind = _KINDS.get(dtype)
        case _:
            raise UserError(f"{path} is damaged: {quoted} has no type, shape or place.")
    if kind is None:
        raise UserError(f"{path}: {quoted} {unread_type(dtype)}.")
    check(
        not shape_problem(tuple(shape)),
        f"{path} is damaged: {quoted} {shape_problem(tuple(shape))}.",
    )
    check(
        all(type(offset) is int and 0 <= offset <= MAX_FILE_BYTES for offset in (begin, end)),
        f"{path} is damaged: {quoted} has no place.",
    )
    return kind, tuple(shape), begin, end


def _crc(places: Mapping[str, Place], numbers: memoryview) -> int:
    """Return the CRC as MindSpore computes it."""
    crc = 0
    for name in sorted(places):
        kind, shape, begin, stop = places[name]
        content: memoryview | bytes = numbers[begin:stop]
        if shape == () and "int" in kind:
            # bytes() of a scalar of integers, as MindSpore calls it, is that many zeros.
            value = int(to_array(content, kind, shape))
            content = bytes(value) if 0 <= value <= 2**24 else b""
        crc = zlib.crc32(content, zlib.crc32(name.encode(), crc))
    return crc


def _quoted(name: str) -> str:
    return f"'{shorten(name, 100)}'"
