"""Files of named parameters in MindSpore's formats, ``.ckpt`` (with a CRC) and ``.safetensors``."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from pathlib import Path

import mindspore as ms
import numpy as np
from mindspore import Parameter
from safetensors import SafetensorError, safe_open

from acmix.errors import UserError, check
from acmix.utils.files import publish, staging_folder

WEIGHT_SUFFIXES = (".ckpt", ".safetensors")

_NOTE = "acmix_progress"  # training stores its progress in the note
_CRC_MARK, _CRC_BYTES = b"crc_num", 10
"""MindSpore ends a ``.ckpt`` with this mark and the CRC-32, big-endian, of the preceding bytes."""


def write_parameters(path: Path, parameters: Mapping[str, Parameter], note: str = "") -> None:
    """Write a file atomically: ``path`` is always the old file or the whole new one.

    Args:
        path: ``.ckpt`` or ``.safetensors``.
        parameters: by their names in the file.
        note: text stored with them; for ``.ckpt`` only.

    Raises:
        UserError: the file cannot be written; the old one is unchanged.
    """
    # ms.save_checkpoint removes the old file first and never flushes.
    with staging_folder(path.parent) as folder:
        staged = folder / path.name
        try:
            ms.save_checkpoint(
                [{"name": name, "data": parameter} for name, parameter in parameters.items()],
                str(staged),
                append_dict={_NOTE: note} if note else None,
                crc_check=True,
                format=_format(path),
            )
        except SafetensorError as error:
            raise UserError(f"{path} could not be written: {error}.") from error
        check(
            path.suffix != ".ckpt" or has_valid_crc(staged),
            f"{path} could not be written: the disk lost parts of it.",
        )
        publish(staged, path)


def read_parameters(path: Path) -> tuple[dict[str, np.ndarray], str]:
    """Return the arrays by name, and the note.

    Raises:
        UserError: the file is missing, damaged, or not written by MindSpore.
    """
    check(path.is_file(), f"There is no checkpoint {path}.")
    check(
        path.suffix != ".safetensors" or is_mindspore_file(path),
        f"{path} is damaged or holds PyTorch's weights; those are read by "
        "'acmix convert --from torch' and as model.pretrained.",
    )
    try:
        content = ms.load_checkpoint(str(path), format=_format(path), crc_check=True)
    except Exception as error:
        # The type of MindSpore's exception depends on the place of the damage.
        raise UserError(
            f"{path} is damaged or not a MindSpore checkpoint; use another one."
        ) from error
    note = content.pop(_NOTE, "")
    arrays = {
        name: np.array(value.asnumpy())
        for name, value in content.items()
        if isinstance(value, Parameter)
    }
    return arrays, note if isinstance(note, str) else ""


def has_valid_crc(path: Path) -> bool:
    """Whether a ``.ckpt`` ends with the CRC of its content."""
    content = path.read_bytes()
    end = len(content) - len(_CRC_MARK) - _CRC_BYTES
    if end < 0 or content[end:-_CRC_BYTES] != _CRC_MARK:
        return False
    return zlib.crc32(memoryview(content)[:end]) == int.from_bytes(content[-_CRC_BYTES:], "big")


def is_mindspore_file(path: Path) -> bool:
    """Whether MindSpore wrote a file of weights; ``.safetensors`` record it in their metadata."""
    if path.suffix != ".safetensors":
        return path.suffix == ".ckpt"
    try:
        with safe_open(path, "np") as file:
            return (file.metadata() or {}).get("format") == "ms"
    except (SafetensorError, OSError):
        return False


def _format(path: Path) -> str:
    return "safetensors" if path.suffix == ".safetensors" else "ckpt"
