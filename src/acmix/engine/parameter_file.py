"""Files of named parameters in MindSpore's formats, ``.ckpt`` (with a CRC) and ``.safetensors``."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping
from pathlib import Path

import mindspore as ms
import numpy as np
from mindspore import Parameter
from safetensors import SafetensorError

from acmix.engine.ckpt_reader import crc_fits, parse_ckpt
from acmix.errors import UserError, check
from acmix.utils.files import publish, staging_folder
from acmix.utils.limits import MAX_FILE_BYTES
from acmix.utils.reading import read_bytes, reading
from acmix.utils.safetensors_file import read_metadata, read_safetensors
from acmix.utils.weight_kind import CKPT, SAFETENSORS, kind_of

logger = logging.getLogger(__name__)

WEIGHT_SUFFIXES = (".ckpt", ".safetensors")
MANIFEST = "manifest.json"
"""Name of the list of a run's checkpoints, beside them; see :mod:`acmix.engine.manifest`."""

MAX_MANIFEST_BYTES = 2**24
"""Largest manifest that is read; an entry takes 500 bytes."""

_NOTE = "acmix_progress"  # training stores its progress in the note
_OF_PYTORCH = (
    "holds PyTorch's weights, not a checkpoint; those are read by 'acmix convert --from torch' and "
    "as model.pretrained."
)
_OWN = "/"
"""In names that no parameter of a model has: the optimizer's, the average's, the scaler's."""


def write_parameters(path: Path, parameters: Mapping[str, Parameter], note: str = "") -> None:
    """Write a file atomically: ``path`` is always the old file or the whole new one.

    Args:
        path: ``.ckpt`` or ``.safetensors``.
        parameters: by their names in the file.
        note: text stored with them; for ``.ckpt`` only.

    Raises:
        UserError: the file cannot be written; the old one is unchanged.
    """
    # Names with a slash come first, so that a file cut off anywhere shows that it had a CRC.
    ordered = sorted(parameters.items(), key=lambda item: _OWN not in item[0])
    # ms.save_checkpoint removes the old file first and never flushes.
    with staging_folder(path.parent) as folder:
        staged = folder / path.name
        try:
            ms.save_checkpoint(
                [{"name": name, "data": parameter} for name, parameter in ordered],
                str(staged),
                append_dict={_NOTE: note} if note else None,
                crc_check=True,
                format="safetensors" if path.suffix == ".safetensors" else "ckpt",
            )
        except SafetensorError as error:
            raise UserError(f"{path} could not be written: {error}.") from error
        check(
            path.suffix != ".ckpt" or crc_fits(staged.read_bytes()) is True,
            f"{path} could not be written: the disk lost parts of it.",
        )
        publish(staged, path)


def read_parameters(path: Path) -> tuple[dict[str, np.ndarray], str]:
    """Return the arrays by name, and the note.

    What kind of file it is, its content says. A CRC is always compared. A ``.ckpt`` without one is
    taken if MindSpore wrote it, but not if this package did, which always writes one: that file
    has lost its end.

    Raises:
        UserError: the file is missing, cannot be read, is damaged, or not written by MindSpore.
    """
    check(os.path.lexists(path), f"There is no checkpoint {path}.")
    kind = kind_of(path)
    check(kind in (CKPT, SAFETENSORS), f"{path} {_OF_PYTORCH}")
    with reading(path):
        return _read_ckpt(path) if kind == CKPT else (_read_safetensors(path), "")


def is_mindspore_file(path: Path) -> bool:
    """Whether MindSpore wrote a file of weights, by its content; false if it cannot be read.

    ``.safetensors`` record it in their metadata.
    """
    try:
        kind = kind_of(path)
        if kind == SAFETENSORS:
            return read_metadata(path).get("format") == "ms"
        return kind == CKPT
    except UserError:
        return False


def _read_safetensors(path: Path) -> dict[str, np.ndarray]:
    arrays, metadata = read_safetensors(path)
    check(
        metadata.get("format") == "ms",
        f"{path} {_OF_PYTORCH}",
    )
    return arrays


def _read_ckpt(path: Path) -> tuple[dict[str, np.ndarray], str]:
    content = read_bytes(path, MAX_FILE_BYTES)
    fits = crc_fits(content)
    check(fits is not False, f"{path} is damaged: its CRC does not fit; use another one.")
    values = parse_ckpt(path, content)
    note = values.pop(_NOTE, "")
    if fits is None:
        ours = bool(note) or any(_OWN in name for name in values) or _is_listed(path)
        check(not ours, f"{path} is damaged: its end is missing; use another one.")
        logger.info("%s has no CRC, so damage to its numbers would not be noticed.", path)
    arrays = {name: value for name, value in values.items() if isinstance(value, np.ndarray)}
    return arrays, note if isinstance(note, str) else ""


def _is_listed(path: Path) -> bool:
    """Whether the manifest beside a file names it: then training wrote it."""
    try:
        tree = json.loads(read_bytes(path.parent / MANIFEST, MAX_MANIFEST_BYTES))
        return path.name in tree["checkpoints"]
    except (UserError, ValueError, TypeError, KeyError, RecursionError):
        return False
