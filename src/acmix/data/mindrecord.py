"""MindRecord: the encoded images of a split in one large file in place of many small ones.

A folder written here takes the place of an image folder's ``data.root``. For each split it holds
``<split>.mindrecord`` with its index ``<split>.mindrecord.db``, and ``<split>.json``, the names and
labels: to read those alone MindRecord would go through all images. The records keep the order of
the image folder and its files byte by byte, so that batches are the same.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from threading import Lock
from typing import Any, TypeGuard

import mindspore.dataset as ds
from mindspore.mindrecord import FileWriter

from acmix.data.samples import Samples, Split
from acmix.errors import UserError, check
from acmix.utils.files import publish, staging_folder, write_text

_SCHEMA = {"name": {"type": "string"}, "label": {"type": "int32"}, "image": {"type": "bytes"}}
_SIDE_CAR = ("classes", "names", "labels")
# Of MindRecord: an image must fit into a page.
_PAGE_BYTES = 32 * 2**20
_AT_ONCE = 64
_REMEDY = "Make it anew with 'acmix prepare --mindrecord'."


def is_mindrecord(root: str | Path | None) -> TypeGuard[str | Path]:
    """Whether ``data.root`` is a folder written by :func:`write_mindrecord`."""
    return root is not None and _records_of(Path(root).expanduser(), "train").is_file()


def write_mindrecord(splits: Mapping[Split, Samples], folder: Path) -> None:
    """Write a data set; ``folder`` appears when all of it is on the disk, or not at all.

    Args:
        splits: of the same classes.
        folder: must not exist.

    Raises:
        UserError: ``folder`` exists or cannot be written, an image cannot be read or is too large.
    """
    check(not os.path.lexists(folder), f"output: {folder} already exists; name another folder.")
    with staging_folder(folder.parent) as staging:
        whole = staging / folder.name
        whole.mkdir()
        for split, samples in splits.items():
            try:
                _write_records(samples, _records_of(staging, split))
            except RuntimeError as error:  # what MindRecord raises when the disk is full
                raise UserError(f"output: cannot write {folder}: {_first_line(error)}") from error
            for file in sorted(staging.glob(f"{split}.*")):
                publish(file, whole / file.name)
            side_car = {key: getattr(samples, key) for key in _SIDE_CAR}
            write_text(whole / f"{split}.json", json.dumps(side_car, ensure_ascii=False))
        whole.rename(folder)


def read_mindrecord(root: str | Path, split: Split) -> Samples:
    """Open one split of a folder written by :func:`write_mindrecord`; images are read lazily.

    Raises:
        UserError: the folder is damaged, or has no such split.
    """
    folder = Path(root).expanduser()
    file = _records_of(folder, split)
    check(
        file.is_file() and Path(f"{file}.db").is_file(),
        f"data.root={root}: {file.name} or {file.name}.db is missing. {_REMEDY}",
    )
    classes, names, labels = _read_side_car(folder / f"{split}.json")
    return Samples(
        classes=classes,
        names=tuple(f"{name} in {file}" for name in names),
        labels=labels,
        read=_Images(file, names),
    )


def _records_of(folder: Path, split: str) -> Path:
    return folder / f"{split}.mindrecord"


def _write_records(samples: Samples, file: Path) -> None:
    writer = FileWriter(str(file))
    writer.add_schema(_SCHEMA)
    for start in range(0, len(samples), _AT_ONCE):
        chosen = range(start, min(start + _AT_ONCE, len(samples)))
        writer.write_raw_data([_record(samples, index) for index in chosen])
    writer.commit()


def _record(samples: Samples, index: int) -> dict[str, Any]:
    name = samples.names[index]
    try:
        encoded = samples.read(index)
    except OSError as error:
        raise UserError(f"cannot read image {name}: {error.strerror}.") from error
    check(
        0 < len(encoded) < _PAGE_BYTES,
        f"image {name} has {len(encoded)} bytes; MindRecord takes 1 to {_PAGE_BYTES - 1}. Remove "
        "or shrink it.",
    )
    return {"name": name, "label": samples.labels[index], "image": encoded}


def _read_side_car(file: Path) -> tuple[tuple[str, ...], tuple[str, ...], tuple[int, ...]]:
    """Return classes, names and labels."""
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        classes, names, labels = (tuple(content[key]) for key in _SIDE_CAR)
    except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise UserError(f"{file} is damaged or missing: {error!r}. {_REMEDY}") from error
    check(
        all(isinstance(name, str) for name in (*classes, *names))
        and len(labels) == len(names)
        and all(type(label) is int and 0 <= label < len(classes) for label in labels),
        f"{file} must hold 'classes', 'names' and a label out of the classes for each name. "
        f"{_REMEDY}",
    )
    return classes, names, labels


class _Images:
    """Reads the encoded image of any record."""

    def __init__(self, file: Path, names: tuple[str, ...]):
        self._names = names
        self._lock = Lock()
        self._records = ds.MindDataset(str(file), ["name", "image"], shuffle=False)
        try:
            count = self._records.get_dataset_size()
            check(
                count == len(names),
                f"{file} has {count} images, but {len(names)} are listed beside it. {_REMEDY}",
            )
            self(0)  # opens the file, while nobody else reads
        except (RuntimeError, OSError) as error:
            raise UserError(f"cannot read {file}: {_first_line(error)}. {_REMEDY}") from error

    def __call__(self, index: int) -> bytes:
        try:
            with self._lock:
                name, image = self._records[index]
        except RuntimeError as error:
            raise OSError(_first_line(error)) from error
        if name.item() != self._names[index]:
            raise OSError(f"record {index} is {name.item()}; the list beside it is another's")
        return image.tobytes()


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0]
