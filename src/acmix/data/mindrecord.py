"""MindRecord: the encoded images of a split in one large file in place of many small ones.

A folder written here takes the place of an image folder's ``data.root``. It holds
``train.mindrecord`` with its index ``train.mindrecord.db``, the same of ``val``, and
``mindrecord.json``, the classes and the number of images. The records keep the order of the image
folder and its files byte by byte, so that batches are the same.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from threading import Lock
from typing import Any, TypeGuard

import mindspore.dataset as ds
from mindspore.mindrecord import FileReader, FileWriter

from acmix.data.samples import Samples, Split
from acmix.errors import UserError, check
from acmix.utils.files import publish, staging_folder, write_text

SIDE_CAR = "mindrecord.json"
_SCHEMA = {"name": {"type": "string"}, "label": {"type": "int32"}, "image": {"type": "bytes"}}
# Of MindRecord: an image must fit into a page.
_PAGE_BYTES = 32 * 2**20
_AT_ONCE = 64
_REMEDY = "Make it anew with 'acmix prepare --mindrecord'."


def is_mindrecord(root: str | Path | None) -> TypeGuard[str | Path]:
    """Whether ``data.root`` is a folder written by :func:`write_mindrecord`."""
    return root is not None and (Path(root).expanduser() / SIDE_CAR).is_file()


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
                _write_split(samples, staging / f"{split}.mindrecord")
            except RuntimeError as error:  # what MindRecord raises when the disk is full
                raise UserError(f"output: cannot write {folder}: {_first_line(error)}") from error
            for file in sorted(staging.glob(f"{split}.mindrecord*")):
                publish(file, whole / file.name)
        counts = {split: len(samples) for split, samples in splits.items()}
        classes = next(iter(splits.values())).classes
        side_car = {"classes": list(classes), "samples": counts}
        write_text(whole / SIDE_CAR, json.dumps(side_car, indent=1, ensure_ascii=False))
        whole.rename(folder)


def read_mindrecord(root: str | Path, split: Split) -> Samples:
    """Open one split of a folder written by :func:`write_mindrecord`; images are read lazily.

    Raises:
        UserError: the folder is damaged, or has no such split.
    """
    folder = Path(root).expanduser()
    classes, count = _read_side_car(folder / SIDE_CAR, split)
    file = folder / f"{split}.mindrecord"
    for needed in (file, Path(f"{file}.db")):
        check(needed.is_file(), f"data.root={root}: {needed.name} is missing. {_REMEDY}")
    try:
        names, labels = _read_labels(file)
        read = _Images(file)
    except RuntimeError as error:
        raise UserError(f"cannot read {file}: {_first_line(error)}. {_REMEDY}") from error
    check(
        len(names) == count and all(0 <= label < len(classes) for label in labels),
        f"{file} and {SIDE_CAR} are not of one data set. {_REMEDY}",
    )
    return Samples(
        classes=classes,
        names=tuple(f"{name} in {file}" for name in names),
        labels=tuple(labels),
        read=read,
    )


def _write_split(samples: Samples, file: Path) -> None:
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


def _read_side_car(file: Path, split: Split) -> tuple[tuple[str, ...], int]:
    """Return the classes, and the number of images of ``split``."""
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{file} cannot be read as JSON: {error}. {_REMEDY}") from error
    content = content if isinstance(content, dict) else {}
    classes, samples = content.get("classes"), content.get("samples")
    if not (
        isinstance(samples, dict)
        and isinstance(classes, list)
        and all(isinstance(name, str) for name in classes)
    ):
        raise UserError(
            f"{file} must hold a list of 'classes' and the number of 'samples' of each split. "
            f"{_REMEDY}"
        )
    check(split in samples, f"{file.parent} was made without the split '{split}'. {_REMEDY}")
    return tuple(classes), samples[split]


def _read_labels(file: Path) -> tuple[list[str], list[int]]:
    reader = FileReader(str(file), columns=["name", "label"])
    try:
        records = list(reader.get_next())
    finally:
        reader.close()
    return [record["name"] for record in records], [record["label"] for record in records]


class _Images:
    """Reads the encoded image of any record."""

    def __init__(self, file: Path):
        self._records = ds.MindDataset(str(file), ["image"], shuffle=False)
        self._lock = Lock()
        self(0)  # opens the file, while nobody else reads

    def __call__(self, index: int) -> bytes:
        try:
            with self._lock:
                (image,) = self._records[index]
        except RuntimeError as error:
            raise OSError(_first_line(error)) from error
        return image.tobytes()


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0]
