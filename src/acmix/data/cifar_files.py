"""The files of CIFAR, of any origin: records of labels and pixels, and pickles of Python 2.

Pickles are read as data (:mod:`acmix.utils.pickled`): nothing that they name is made or called.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from acmix.data.files import read_text
from acmix.errors import UserError, check
from acmix.utils.pickled import PickleError, Record, read_pickle
from acmix.utils.pickled_arrays import stored_bytes
from acmix.utils.reading import read_bytes
from acmix.utils.text import shorten

SIDE = 32
"""Height and width of an image in pixels."""
VALUES = 3 * SIDE * SIDE
"""Bytes of an image: its red, green and blue plane, row by row."""
MAX_FILE_BYTES = 2**28
"""Largest file; that of CIFAR-100's training images has 2^27.2 bytes."""
MAX_CLASSES = 1000
"""Most classes of a list; CIFAR-100 has 100."""


@dataclass(frozen=True)
class Part:
    """The images of a file.

    Attributes:
        pixels: (n, 3072) uint8.
        labels: (n,) integers.
    """

    pixels: np.ndarray
    labels: np.ndarray


def read_binary(file: Path, classes: int, label_bytes: int, position: int) -> Part:
    """Read a file of records, each of ``label_bytes`` labels and the pixels.

    Args:
        file: to read.
        classes: number of classes.
        label_bytes: 1 for CIFAR-10; 2 for CIFAR-100, the coarse and the fine label.
        position: of the label among them.

    Raises:
        UserError: it cannot be read, does not end with a whole record, or has a label that is no
            class; names the byte.
    """
    content = np.frombuffer(read_bytes(file, MAX_FILE_BYTES), np.uint8)
    length = label_bytes + VALUES
    whole = len(content) // length * length
    check(
        0 < whole == len(content),
        f"{file} is damaged: a record has {length} bytes, and the one from byte {whole} on has "
        f"{len(content) - whole}. Unpack the archive again.",
    )
    records = content.reshape(-1, length)
    labels = records[:, position]
    wrong = np.flatnonzero(labels >= classes)
    if wrong.size:
        raise UserError(
            f"{file} is damaged: byte {wrong[0] * length + position} is the label "
            f"{labels[wrong[0]]}, and there are {classes} classes. Unpack the archive again."
        )
    return Part(records[:, label_bytes:], labels)


def read_pickled(file: Path, classes: int, key: str) -> Part:
    """Read a pickle of a dict of ``data``, (n, 3072) uint8, and a list of labels.

    Args:
        file: to read.
        classes: number of classes.
        key: of the labels.

    Raises:
        UserError: it cannot be read or holds something else; names the byte or the entry.
    """
    content = _dict_of(file)
    pixels = _pixels(file, content.get("data"))
    labels = content.get(key)
    check(
        isinstance(labels, list)
        and len(labels) == len(pixels)
        and all(type(label) is int and 0 <= label < classes for label in labels),
        f"{file} is damaged: '{key}' must be a list of a number from 0 to {classes - 1} for each "
        f"of the {len(pixels)} images. Unpack the archive again.",
    )
    return Part(pixels, np.array(labels, np.int64))


def read_names(file: Path) -> tuple[str, ...]:
    """Read a text file of class names, one a line.

    Raises:
        UserError: it cannot be read, or the names are not distinct.
    """
    return _checked_names(
        file, [line.strip() for line in read_text(file).splitlines() if line.strip()]
    )


def read_python_names(file: Path, key: str) -> tuple[str, ...]:
    """Read the list ``key`` of a pickle of class names.

    Raises:
        UserError: it cannot be read, or is no list of distinct names.
    """
    names = _dict_of(file).get(key)
    if not isinstance(names, list):
        raise UserError(f"{file} is damaged: it has no list '{key}' of class names.")
    return _checked_names(file, [_text(name) for name in names])


def _checked_names(file: Path, names: list[Any]) -> tuple[str, ...]:
    check(
        0 < len(names) <= MAX_CLASSES
        and all(isinstance(name, str) and 0 < len(name) <= 200 for name in names)
        and len(set(names)) == len(names),
        f"{file} is damaged: it must hold distinct names of classes, at most {MAX_CLASSES}. Unpack "
        "the archive again.",
    )
    return tuple(names)


def _dict_of(file: Path) -> dict[str, Any]:
    """Return the dict that is pickled in a file, with texts as its keys."""
    memory = io.BytesIO(read_bytes(file, MAX_FILE_BYTES))
    try:
        content = read_pickle(memory).content
    except PickleError as error:
        raise UserError(
            f"{file} is damaged at byte {memory.tell()}: {shorten(str(error))}. Unpack the archive "
            "again."
        ) from error
    if not isinstance(content, dict):
        raise UserError(f"{file} is no file of CIFAR: it holds no dict.")
    return {name: value for key, value in content.items() if isinstance(name := _text(key), str)}


def _text(value: object) -> object:
    """Return a text that Python 3 kept as bytes; other values as they are."""
    return value.decode("latin-1") if isinstance(value, bytes) else value


def _pixels(file: Path, array: Any) -> np.ndarray:
    """Return the pixels (n, 3072) of a pickled array."""
    count: Any
    match array:
        case Record(state=(_, (count, values), kind, in_columns, raw)):
            pass
        case Record(arguments=(raw, kind, (count, values), order)):
            in_columns = order == "F"
        case _:
            count = values = 0
            kind = in_columns = raw = None
    content = stored_bytes(raw)
    sized = type(count) is int and values == VALUES and 0 < count * VALUES == len(content)
    if sized and _is_uint8(kind):
        flat = np.frombuffer(content, np.uint8)
        # Python may have written column after column.
        return flat.reshape(VALUES, count).T if in_columns else flat.reshape(count, VALUES)
    raise UserError(
        f"{file} is damaged: 'data' must be an array of n x {VALUES} bytes. Unpack the archive "
        "again."
    )


def _is_uint8(kind: object) -> bool:
    if not isinstance(kind, Record) or kind.name != "numpy.dtype":
        return False
    return isinstance(kind.arguments, tuple) and kind.arguments[:1] in (("u1",), ("|u1",))
