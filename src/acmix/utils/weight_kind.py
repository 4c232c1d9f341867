"""What kind of weights a file holds, by its content; its suffix says nothing."""

from __future__ import annotations

from pathlib import Path

from acmix.errors import UserError, check
from acmix.utils import wire
from acmix.utils.reading import check_regular, unusable
from acmix.utils.safetensors_file import looks_like_safetensors

CKPT, SAFETENSORS, ZIP, PICKLE = "ckpt", "safetensors", "zip", "pickle"
"""Kinds: MindSpore's ``.ckpt``; ``.safetensors``; torch's files and ``.npz``; pickles."""

READ = ".pth, .pt, .bin, .ckpt or .tar of PyTorch, .safetensors, .npz, or a .ckpt of MindSpore"
"""The files that are read, for messages."""

_START = 512
_PICKLES = tuple(bytes([0x80, protocol]) for protocol in (2, 3, 4, 5))
_OTHERS = (
    (b"version https://git-lfs", "is a pointer of Git LFS, not the file: run 'git lfs pull'"),
    (b"<", "is a web page or XML: the download has failed"),
    (b"{", "is JSON, not a file of weights"),
    (b"\x89HDF", "is HDF5, as Keras writes it"),
    (b"GGUF", "is GGUF, of another runtime"),
    (b"\x93NUMPY", "is a single array of NumPy, not a set of weights"),
    (b"\x1f\x8b", "is compressed by gzip: unpack it first"),
    (b"BZh", "is compressed by bzip2: unpack it first"),
    (b"\xfd7zXZ", "is compressed by xz: unpack it first"),
    (b"\x28\xb5\x2f\xfd", "is compressed by zstd: unpack it first"),
    (b"7z\xbc\xaf", "is an archive of 7-Zip: unpack it first"),
)


def kind_of(path: Path) -> str:
    """Return :data:`CKPT`, :data:`SAFETENSORS`, :data:`ZIP` or :data:`PICKLE`.

    Raises:
        UserError: the file is missing, cannot be read, is empty, or of no such kind; names what
            it is if that is known.
    """
    start = _start(path)
    check(bool(start), f"{path} is empty; copy or download it again.")
    if start[:4] in (b"PK\x03\x04", b"PK\x05\x06"):
        return ZIP
    if start[:2] in _PICKLES and len(start) > 2:
        return PICKLE
    if looks_like_safetensors(start):
        return SAFETENSORS
    if looks_like_ckpt(start):
        return CKPT
    if start[257:262] == b"ustar":
        raise UserError(f"{path} is a tar archive: unpack it first. Read are {READ}.")
    for signature, told in _OTHERS:
        if start.startswith(signature):
            raise UserError(f"{path} {told}. Read are {READ}.")
    raise UserError(f"{path} is damaged or holds no weights. Read are {READ}.")


def looks_like_ckpt(start: bytes) -> bool:
    """Whether a file that begins so may be a ``.ckpt`` of MindSpore: a value that has a name."""
    try:
        _, at = wire.varint(memoryview(start), 1)
    except wire.WireError:
        return False
    return start[:1] == b"\x0a" and start[at : at + 1] == b"\x0a"


def _start(path: Path) -> bytes:
    check_regular(path)
    try:
        with open(path, "rb") as file:
            return file.read(_START)
    except OSError as error:
        raise unusable(path, error) from error
