"""Files of pictures that are known as ours, so that no other is ever replaced."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from acmix.errors import check
from acmix.utils.files import publish, staging_folder, writing
from acmix.utils.outputs import check_replaceable

_WRITER = "acmix predict"
_MARK = b"tEXtSoftware\0" + _WRITER.encode()
_MARK_WITHIN = 2**22  # bytes; only a colour profile comes before it


def save_picture(picture: Image.Image, path: str | Path) -> None:
    """Write a picture atomically, with the mark that :func:`is_drawn` looks for.

    Raises:
        UserError: the picture cannot be written, or would replace another's file.
    """
    path = Path(path)
    check(
        path.suffix.lower() in Image.registered_extensions(),
        f"cannot write the picture {path}: its suffix is none of a picture, such as .png.",
    )
    check_own(path)
    mark = PngInfo()
    mark.add_text("Software", _WRITER)
    with staging_folder(path.parent) as folder, writing(path):
        staged = folder / f"picture{path.suffix}"
        picture.save(staged, pnginfo=mark)
        publish(staged, path)


def save_label_map(path: Path, labels: np.ndarray, palette: np.ndarray | None = None) -> None:
    """Write labels (H, W) uint8 as a PNG of grey, or of a palette whose indices are the labels.

    Raises:
        UserError: see :func:`save_picture`.
    """
    picture = Image.fromarray(labels)
    if palette is not None:
        picture.putpalette(palette.tobytes())
    save_picture(picture, path)


def is_drawn(path: Path) -> bool:
    """Return whether a file is a picture that this module wrote."""
    with open(path, "rb") as file:
        return _MARK in file.read(_MARK_WITHIN)


def check_own(path: Path, inputs: Iterable[str | Path] = ()) -> None:
    """Raise UserError if a picture at ``path`` would replace one of ``inputs`` or another's file.

    See also :func:`acmix.utils.outputs.check_replaceable`.
    """
    if check_replaceable(path, inputs):
        check(is_drawn(path), not_ours(path))


def not_ours(path: Path) -> str:
    """Return the refusal to replace a file that the command did not write."""
    return f"output: {path} exists and is none of {_WRITER}'s; name another folder."
