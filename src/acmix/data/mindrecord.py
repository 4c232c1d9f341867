"""MindRecord: the encoded images of a split in one large file in place of many small ones.

``<split>.mindrecord``, with its index ``<split>.mindrecord.db``, holds images as they are, byte by
byte, under their names and in their order. What else is known of them lies beside it: to read
small things from a record MindRecord would read its image.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Lock
from typing import Any

import mindspore.dataset as ds
from mindspore.mindrecord import FileWriter

from acmix.data.integrity import Images
from acmix.errors import UserError, check
from acmix.utils.files import publish, staging_folder

REMEDY = "Make it anew with 'acmix prepare --mindrecord'."
_SCHEMA = {"name": {"type": "string"}, "image": {"type": "bytes"}}
# Of MindRecord: an image must fit into a page.
_PAGE_BYTES = 32 * 2**20
_AT_ONCE = 64


def mindrecord_path(root: Path, split: str) -> Path:
    """Return the file of a split."""
    return root / f"{split}.mindrecord"


def write_mindrecord(
    splits: Mapping[str, Images], beside: Mapping[str, bytes], folder: Path
) -> None:
    """Write a data set; ``folder`` appears when all of it is on the disk, or not at all.

    Args:
        splits: images by the name of their split.
        beside: contents of further files by their paths in ``folder``.
        folder: must not exist.

    Raises:
        UserError: ``folder`` exists or cannot be written, an image cannot be read or is too large.
    """
    check(not os.path.lexists(folder), f"output: {folder} already exists; name another folder.")
    with staging_folder(folder.parent) as staging:
        whole = staging / folder.name
        whole.mkdir()
        for split, images in splits.items():
            try:
                _write_records(images, mindrecord_path(staging, split))
            except RuntimeError as error:  # what MindRecord raises when the disk is full
                raise UserError(f"output: cannot write {folder}: {_first_line(error)}") from error
            for file in sorted(staging.glob(f"{split}.mindrecord*")):
                publish(file, whole / file.name)
        for name, content in beside.items():
            target = whole / name
            target.parent.mkdir(exist_ok=True)
            staged = staging / target.name
            staged.write_bytes(content)
            publish(staged, target)
        whole.rename(folder)


class MindRecordImages:
    """Reads the encoded image of any record; call it with the index, from any thread.

    Args:
        file: of a split.
        names: of all records, as they are known from elsewhere.

    Raises:
        UserError: the file is damaged, or of other images than ``names``.
    """

    def __init__(self, file: Path, names: Sequence[str]):
        check(
            file.is_file() and Path(f"{file}.db").is_file(),
            f"{file} or {file.name}.db is missing. {REMEDY}",
        )
        self._names = names
        self._lock = Lock()
        self._records = ds.MindDataset(str(file), ["name", "image"], shuffle=False)
        try:
            count = self._records.get_dataset_size()
            check(
                count == len(names),
                f"{file} has {count} images, but {len(names)} are listed beside it. {REMEDY}",
            )
            self(0)  # opens the file, while nobody else reads
        except (RuntimeError, OSError) as error:
            raise UserError(f"cannot read {file}: {_first_line(error)}. {REMEDY}") from error

    def __call__(self, index: int) -> bytes:
        """Return the content of the image file that was stored.

        Raises:
            OSError: it cannot be read, or is of another name.
        """
        try:
            with self._lock:
                name, image = self._records[index]
        except RuntimeError as error:
            raise OSError(_first_line(error)) from error
        if name.item() != self._names[index]:
            raise OSError(f"record {index} is {name.item()}; the list beside it is another's")
        return image.tobytes()


def _write_records(images: Images, file: Path) -> None:
    writer = FileWriter(str(file))
    writer.add_schema(_SCHEMA)
    for start in range(0, len(images), _AT_ONCE):
        chosen = range(start, min(start + _AT_ONCE, len(images)))
        writer.write_raw_data([_record(images, index) for index in chosen])
    writer.commit()


def _record(images: Images, index: int) -> dict[str, Any]:
    name = images.names[index]
    try:
        encoded = images.read(index)
    except OSError as error:
        raise UserError(f"cannot read image {name}: {error.strerror}.") from error
    check(
        0 < len(encoded) < _PAGE_BYTES,
        f"image {name} has {len(encoded)} bytes; MindRecord takes 1 to {_PAGE_BYTES - 1}. Remove "
        "or shrink it.",
    )
    return {"name": name, "image": encoded}


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0]
