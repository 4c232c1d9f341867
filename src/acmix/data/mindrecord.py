"""MindRecord: store the encoded images of a split in one large file.

``<split>.mindrecord`` and its index ``<split>.mindrecord.db`` store the unchanged image files in
order, each under its name. Labels and annotations are separate files next to it: to access a small
field of a record, MindRecord would also read the image.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from acmix.data.files import announced
from acmix.data.integrity import Images
from acmix.data.record_reader import RecordReader
from acmix.errors import UserError, check
from acmix.utils.files import publish, staging_folder
from acmix.utils.progress import ProgressLine

REMEDY = "Make it anew with 'acmix prepare --mindrecord'."
_SCHEMA = {"name": {"type": "string"}, "image": {"type": "bytes"}}
# Limit of MindRecord: an image must fit into a page.
_PAGE_BYTES = 32 * 2**20
_RECORDS_PER_WRITE = 64


def mindrecord_path(root: Path, split: str) -> Path:
    """Return the MindRecord file of a split."""
    return root / f"{split}.mindrecord"


def write_mindrecord(
    splits: Mapping[str, Images], extra_files: Mapping[str, bytes], folder: Path
) -> None:
    """Write a data set atomically: ``folder`` appears complete or not at all.

    Args:
        splits: images by the name of their split.
        extra_files: contents of further files by their paths in ``folder``.
        folder: folder to create; must not exist.

    Raises:
        UserError: ``folder`` exists or cannot be written, or an image cannot be read or is too
            large.
    """
    check(not os.path.lexists(folder), f"output: {folder} already exists; name another folder.")
    with staging_folder(folder.parent) as staging:
        whole = staging / folder.name
        whole.mkdir()
        for split, images in splits.items():
            try:
                _write_records(images, mindrecord_path(staging, split))
            except RuntimeError as error:  # raised by MindRecord when the disk is full
                raise UserError(f"output: cannot write {folder}: {_first_line(error)}") from error
            for file in sorted(staging.glob(f"{split}.mindrecord*")):
                publish(file, whole / file.name)
        for name, content in extra_files.items():
            target = whole / name
            target.parent.mkdir(exist_ok=True)
            staged = staging / target.name
            staged.write_bytes(content)
            publish(staged, target)
        whole.rename(folder)


class MindRecordImages:
    """Function from the index of a record to its encoded image; thread-safe.

    Args:
        file: MindRecord file of a split.
        names: expected names of all records.

    Raises:
        UserError: the file is damaged, or contains other images than ``names``.
    """

    def __init__(self, file: Path, names: Sequence[str]):
        check(
            file.is_file() and Path(f"{file}.db").is_file(),
            f"{file} or {file.name}.db is missing. {REMEDY}",
        )
        self._names = names
        try:
            self._read = RecordReader(file, names)
            self(0)
        except UserError as error:
            raise UserError(f"{error} {REMEDY}") from error
        except OSError as error:
            raise UserError(f"cannot read {file}: {error}. {REMEDY}") from error

    def __call__(self, index: int) -> bytes:
        """Return the content of the image file that was stored.

        Raises:
            OSError: the record cannot be read, or has another name.
        """
        with announced(self._names[index]):
            return self._read(index)


def _write_records(images: Images, file: Path) -> None:
    from mindspore.mindrecord import FileWriter  # on use: worker processes need no MindSpore

    writer = FileWriter(str(file))
    writer.add_schema(_SCHEMA)
    with ProgressLine(f"writing {file.name}", len(images)) as line:
        for start in range(0, len(images), _RECORDS_PER_WRITE):
            chosen = range(start, min(start + _RECORDS_PER_WRITE, len(images)))
            writer.write_raw_data([_record(images, index) for index in chosen])
            line.advance(len(chosen))
    writer.commit()


def _record(images: Images, index: int) -> dict[str, Any]:
    name = images.names[index]
    try:
        encoded = images.read(index)
    except OSError as error:
        raise UserError(f"cannot read image {name}: {error}.") from error
    check(
        0 < len(encoded) < _PAGE_BYTES,
        f"image {name} has {len(encoded)} bytes; MindRecord takes 1 to {_PAGE_BYTES - 1}. Remove "
        "or shrink it.",
    )
    return {"name": name, "image": encoded}


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0]
