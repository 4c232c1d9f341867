"""The folder that ``acmix predict --output`` writes, in which no file of the user is lost."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from PIL import Image

from acmix.errors import check
from acmix.tasks.picture_files import check_own, not_ours, save_label_map, save_picture
from acmix.tasks.prediction import Masked, Prediction
from acmix.utils.files import text_file
from acmix.utils.json_text import AddEntry, json_list
from acmix.utils.outputs import check_replaceable
from acmix.utils.reading import read_bytes

PREDICTIONS_FILE = "predictions.json"
MASKS_FOLDER = "masks"
_MAX_BYTES = 2**30
_LONGEST_NAME = 40
"""Characters of a class name in a file name; 255 bytes is the limit of most file systems."""


def picture_names(images: Sequence[str]) -> list[str]:
    """Return a distinct PNG name for each image; a number is appended to repeated names."""
    names: dict[str, None] = {}
    numbers: dict[str, int] = {}
    for image in images:
        stem = Path(image).stem
        name = f"{stem}.png"
        while name in names:
            numbers[stem] = numbers.get(stem, 1) + 1
            name = f"{stem}_{numbers[stem]}.png"
        names[name] = None
    return list(names)


class PictureFolder:
    """Folder of a picture for each image, and of ``predictions.json``.

    Args:
        path: the folder; made with the first picture.
        images: paths of the images, all of which are read.
        folders: names of the folders below it, in which each image has another picture.
        masks: whether to write the masks of :class:`acmix.tasks.prediction.Masked` predictions, as
            ``masks/IMAGE/NUMBER_CLASS.png`` with 255 on the object and 0 elsewhere. Numbers count
            the objects of ``predictions.json`` from 1.

    Raises:
        UserError: a picture would replace an image, or a file that this class did not write; or a
            file cannot be written, see :func:`acmix.utils.outputs.check_replaceable`.
    """

    def __init__(
        self,
        path: str | Path,
        images: Sequence[str],
        folders: Sequence[str] = (),
        masks: bool = False,
    ):
        self.path, self._masks = Path(path), masks
        self._names = picture_names(images)
        self._images = {_identity(image): image for image in images}
        self._images.pop(None, None)  # of images that do not exist
        for target in (self.path / sub / name for sub in ("", *folders) for name in self._names):
            self._check(target)
        self._check_predictions()

    def draw(self, index: int, prediction: Prediction) -> None:
        """Write the picture of the image with number ``index``, and its masks if asked for.

        Raises:
            UserError: a mask would replace an image, or a file that this class did not write.
        """
        prediction.draw(self.path / self._names[index])
        if self._masks and isinstance(prediction, Masked):
            folder = self.path / MASKS_FOLDER / Path(self._names[index]).stem
            found = zip(prediction.classes, prediction.bitmaps(), strict=True)
            for number, (name, bitmap) in enumerate(found, start=1):
                target = folder / f"{number}_{_file_name(name)}.png"
                self._check(target)
                save_label_map(target, 255 * bitmap)

    def save(self, index: int, picture: Image.Image) -> None:
        """Write another picture for the image with number ``index``."""
        save_picture(picture, self.path / self._names[index])

    @contextmanager
    def predictions(self) -> Iterator[AddEntry]:
        """Yield a function that adds to ``predictions.json``; it appears when the body ends."""
        with text_file(self.path / PREDICTIONS_FILE) as file, json_list(file) as add:
            yield add

    def _check(self, target: Path) -> None:
        image = self._images.get(_identity(target))
        check_own(target, [] if image is None else [image])

    def _check_predictions(self) -> None:
        target = self.path / PREDICTIONS_FILE
        if not check_replaceable(target):
            return
        try:
            content = json.loads(read_bytes(target, _MAX_BYTES))
        except (ValueError, RecursionError):
            content = None
        ours = isinstance(content, list) and all(
            isinstance(entry, dict) and "image" in entry for entry in content
        )
        check(ours, not_ours(target))


def _file_name(name: str) -> str:
    """Return a class name without what is no letter, digit or hyphen."""
    return re.sub(r"[^\w-]+", "_", name)[:_LONGEST_NAME]


def _identity(path: str | Path) -> tuple[int, int] | None:
    """Return what two names of one file have in common, None if there is none."""
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return None
    return status.st_dev, status.st_ino
