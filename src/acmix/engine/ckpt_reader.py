"""Reader of MindSpore's ``.ckpt``, in which every tensor is checked.

``mindspore.load_checkpoint`` copies as many bytes as a tensor has, whatever its shape says, which
overruns the memory of the shape. The format: a message of values, each a name and a tensor of
dimensions, type and bytes; a large tensor is cut into values that follow each other.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from acmix.errors import UserError, check
from acmix.utils import wire
from acmix.utils.array_types import BFLOAT16, bytes_of, to_array
from acmix.utils.limits import MAX_DIMENSIONS, MAX_NAME, MAX_TENSORS, shape_problem
from acmix.utils.text import shorten

_TYPES = {
    "Bool": "bool", "Int8": "int8", "UInt8": "uint8", "Int16": "int16", "UInt16": "uint16",
    "Int32": "int32", "UInt32": "uint32", "Int64": "int64", "UInt64": "uint64",
    "Float16": "float16", "Float32": "float32", "Float64": "float64", "BFloat16": BFLOAT16,
}  # fmt: skip
_TEXT = "str"
_CRC_MARK, _CRC_BYTES = b"crc_num", 10
"""MindSpore ends a ``.ckpt`` with this mark and the CRC-32, big-endian, of the preceding bytes."""


def crc_fits(content: bytes) -> bool | None:
    """Whether a ``.ckpt`` ends with the CRC of its content; None if it has no CRC."""
    end = len(content) - len(_CRC_MARK) - _CRC_BYTES
    if end < 0 or content[end:-_CRC_BYTES] != _CRC_MARK:
        return None
    return zlib.crc32(memoryview(content)[:end]) == int.from_bytes(content[-_CRC_BYTES:], "big")


def parse_ckpt(path: Path, content: bytes) -> dict[str, np.ndarray | str]:
    """Return arrays and texts by name; bfloat16 as float32.

    Args:
        path: names the file in messages.
        content: of the file, with or without a CRC, which is not compared here.

    Raises:
        UserError: a tensor's bytes are not those of its type and shape, or the file is damaged.
    """
    end = len(content) - (0 if crc_fits(content) is None else len(_CRC_MARK) + _CRC_BYTES)
    tensors: dict[str, _Tensor] = {}
    last = None
    try:
        for number, kind, value in wire.fields(memoryview(content)[:end]):
            if number != 1:
                raise wire.WireError(f"an unknown field {number}")
            tensor = _Tensor.parse(wire.content(kind, value))
            if tensor.name == last:
                tensors[tensor.name].append(tensor)
            elif tensor.name in tensors:
                raise wire.WireError(f"the name '{shorten(tensor.name, 100)}' twice")
            else:
                tensors[tensor.name] = tensor
            check(
                len(tensors) <= MAX_TENSORS,
                f"{path} holds more than {MAX_TENSORS} tensors, which is no set of weights.",
            )
            last = tensor.name
        return {name: tensor.value() for name, tensor in tensors.items()}
    except wire.WireError as error:
        raise UserError(
            f"{path} is damaged or not a MindSpore checkpoint ({error}); use another one."
        ) from error


@dataclass
class _Tensor:
    name: str = ""
    shape: tuple[int, ...] = ()
    kind: str = ""
    parts: list[memoryview] = field(default_factory=list)

    @classmethod
    def parse(cls, message: memoryview) -> _Tensor:
        """Return the tensor of one value of the file."""
        tensor = cls()
        for number, kind, value in wire.fields(message):
            if number == 1:
                tensor.name = wire.text(kind, value)
            elif number == 2:
                tensor._read(wire.content(kind, value))
            elif number == 3:
                raise wire.WireError(f"'{shorten(tensor.name, 100)}' is a hash table")
            else:
                raise wire.WireError(f"an unknown field {number} of a value")
        if not tensor.name or len(tensor.name) > MAX_NAME:
            raise wire.WireError(f"a tensor whose name has {len(tensor.name)} characters")
        return tensor

    def _read(self, message: memoryview) -> None:
        for number, kind, value in wire.fields(message):
            if number == 1:
                self.shape += tuple(wire.integers(kind, value, MAX_DIMENSIONS))
                if len(self.shape) > MAX_DIMENSIONS:
                    raise wire.WireError(f"a tensor of more than {MAX_DIMENSIONS} dimensions")
            elif number == 2:
                self.kind = wire.text(kind, value)
            elif number == 3:
                self.parts = [wire.content(kind, value)]
            else:
                raise wire.WireError(f"an unknown field {number} of a tensor")

    def append(self, other: _Tensor) -> None:
        """Add the next part of a large tensor."""
        if (self.shape, self.kind) != (other.shape, other.kind):
            raise wire.WireError(f"the name '{shorten(self.name, 100)}' twice")
        self.parts += other.parts

    def value(self) -> np.ndarray | str:
        """Return the content, after a check of its size."""
        quoted = f"'{shorten(self.name, 100)}'"
        size = sum(map(len, self.parts))
        if self.kind == _TEXT:
            return self._text(quoted)
        if self.kind not in _TYPES:
            raise wire.WireError(f"{quoted} is of the unknown type '{shorten(self.kind, 30)}'")
        if problem := shape_problem(self.shape):
            raise wire.WireError(f"{quoted} {problem}")
        kind = _TYPES[self.kind]
        # MindSpore's own sign of a scalar is one dimension of size 0.
        shape = () if self.shape == (0,) and size else self.shape
        if size != bytes_of(kind, shape):
            raise wire.WireError(
                f"{quoted} has {size} bytes, but {self.kind} of shape {shape} takes "
                f"{bytes_of(kind, shape)}"
            )
        return to_array(
            b"".join(self.parts) if len(self.parts) != 1 else self.parts[0], kind, shape
        )

    def _text(self, quoted: str) -> str:
        try:
            return b"".join(self.parts).decode("utf-32-le").rstrip("\0")
        except UnicodeDecodeError as error:
            raise wire.WireError(f"{quoted} is not a text") from error
