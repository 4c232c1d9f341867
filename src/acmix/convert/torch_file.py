"""Read files of ``torch.save`` without torch and without executing anything.

Since version 1.6 it is a zip archive: ``data.pkl`` describes the objects, and ``data/KEY`` holds
the elements of each storage. Before, it was pickles one after the other, then the storages.
"""

from __future__ import annotations

import io
import mmap
from pathlib import Path
from typing import Any, Literal

from acmix.convert.archive import Archive, damage_reported
from acmix.convert.torch_tensors import Meaning, storage_bytes
from acmix.errors import check
from acmix.utils.limits import MAX_FILE_BYTES
from acmix.utils.pickled import MAX_PICKLE_BYTES, Pickled, PickleError, Stored, read_pickle

_MAGIC = 0x1950A86A20F9469CFC6C
"""First object of a file before torch 1.6."""

_PROTOCOL = 1001

Content = tuple[Pickled, Meaning]
"""The pickled object, and what its records mean."""


def is_torch_archive(names: list[str]) -> bool:
    """Whether a zip archive of these members was written by torch."""
    return any(name.endswith("/data.pkl") or name == "data.pkl" for name in names)


def read_torch_archive(archive: Archive) -> Content:
    """Return the content of an archive that ``torch.save`` wrote.

    Raises:
        UserError: it is damaged, or a program of TorchScript.
    """
    path = archive.path
    described = min((n for n in archive.names if n.split("/")[-1] == "data.pkl"), key=len)
    folder = described.removesuffix("data.pkl")
    program = (f"{folder}constants.pkl", f"{folder}code/")
    check(
        not any(name.startswith(program) for name in archive.names),
        f"{path} is a TorchScript program (torch.jit.save), not a file of weights. In PyTorch: "
        f"torch.save(torch.jit.load('{path.name}').state_dict(), 'weights.pth').",
    )
    check(
        archive.bytes_of(described) <= MAX_PICKLE_BYTES,
        f"{path}: its data.pkl has {archive.bytes_of(described)} bytes; up to {MAX_PICKLE_BYTES} "
        "are read.",
    )
    order = f"{folder}byteorder"
    big_endian = order in archive.names and archive.read(order)[:3] == b"big"

    def read_storage(key: str, size: int, first: int, count: int) -> bytes:
        name = f"{folder}data/{key}"
        if archive.bytes_of(name) < (first + count) * size:
            raise PickleError("a tensor that is larger than its storage")
        return archive.read(name)[first * size : (first + count) * size]

    with damage_reported(path):
        return read_pickle(io.BytesIO(archive.read(described))), Meaning(read_storage, big_endian)


def read_pickle_file(path: Path) -> Content:
    """Return the content of a file of torch before 1.6, or of any other pickle.

    Raises:
        UserError: it is damaged.
    """
    size = path.stat().st_size
    check(size <= MAX_FILE_BYTES, f"{path} has {size} bytes, more than {MAX_FILE_BYTES}.")
    with open(path, "rb") as file:
        # Reading more than there is takes no memory, unlike reading from the file.
        memory = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    with damage_reported(path):
        pickled = read_pickle(memory)
        if pickled.content != _MAGIC:
            return pickled, Meaning(None)
        return _old_torch(memory)


def _old_torch(memory: mmap.mmap) -> Content:
    version, system, pickled, keys = (read_pickle(memory) for _ in range(4))
    if (
        version.content != _PROTOCOL
        or not isinstance(system.content, dict)
        or not isinstance(keys.content, list)
    ):
        raise PickleError("a file of another version of torch")
    big_endian = system.content.get("little_endian") is False
    places = _storages(memory, keys.content, pickled.stored, "big" if big_endian else "little")

    def read_storage(key: str, size: int, first: int, count: int) -> bytes:
        begin, end = places.get(key, (0, 0))
        if (first + count) * size > end - begin:
            raise PickleError("a tensor that is larger than its storage")
        return memory[begin + first * size : begin + (first + count) * size]

    return pickled, Meaning(read_storage, big_endian)


def _storages(
    memory: mmap.mmap, keys: list[Any], stored: list[Stored], order: Literal["big", "little"]
) -> dict[str, tuple[int, int]]:
    """Return where the bytes of each storage begin and end; they lie in the order of ``keys``."""
    sizes = {}
    for identity in (item.identity for item in stored):
        if isinstance(identity, tuple) and len(identity) >= 5 and identity[0] == "storage":
            sizes[str(identity[2])] = storage_bytes(identity[1])
    places, at = {}, memory.tell()
    for key in map(str, keys):
        count = int.from_bytes(memory[at : at + 8], order)
        size = sizes.get(key, 0)
        if not size or at + 8 + count * size > len(memory):
            raise PickleError("storages of unknown type, or the end is missing")
        places[key] = at + 8, at + 8 + count * size
        at += 8 + count * size
    return places
