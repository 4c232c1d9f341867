"""Draw predictions on images."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from PIL.PngImagePlugin import PngInfo

from acmix.data.decode import decode
from acmix.errors import check
from acmix.utils.files import publish, staging_folder, writing
from acmix.utils.fonts import drawable

Colour = tuple[int, int, int]

_WRITER = "acmix predict"
_MARK = b"tEXtSoftware\0" + _WRITER.encode()
_MARK_WITHIN = 2**22  # bytes; only a colour profile comes before it


def caption(image: str, path: Path, text: str) -> None:
    """Write ``image`` to ``path`` with a line of text in its upper left corner."""
    picture = _open(image)
    _label(picture, (0, 0), text, (0, 0, 0))
    _save(picture, path)


def draw_boxes(
    image: str, path: Path, boxes: np.ndarray, texts: Sequence[str], classes: Sequence[int]
) -> None:
    """Write ``image`` to ``path`` with labelled boxes (D, 4), xyxy, in one colour per class.

    The first box is drawn last, on top.

    Raises:
        UserError: the picture cannot be written.
    """
    picture = _open(image)
    draw = ImageDraw.Draw(picture)
    width = max(1, round(max(picture.size) / 400))
    for box, text, label in reversed(list(zip(boxes.tolist(), texts, classes, strict=True))):
        colour = class_colour(label)
        draw.rectangle(box, outline=colour, width=width)
        _label(picture, (box[0], box[1]), text, colour)
    _save(picture, path)


def class_colour(label: int) -> Colour:
    """Return the fixed colour of a class; hues follow the golden ratio for high contrast."""
    red, green, blue = colorsys.hsv_to_rgb((label * 0.618034) % 1, 0.85, 0.9)
    return round(255 * red), round(255 * green), round(255 * blue)


def is_drawn(path: Path) -> bool:
    """Return whether a file is a picture that this module wrote."""
    with open(path, "rb") as file:
        return _MARK in file.read(_MARK_WITHIN)


def _open(image: str) -> Image.Image:
    return decode(Path(image).read_bytes(), 3)


def _label(picture: Image.Image, corner: tuple[float, float], text: str, colour: Colour) -> None:
    (item,) = drawable([text])
    draw = ImageDraw.Draw(picture)
    font = ImageFont.truetype(str(item.font), max(10, round(max(picture.size) / 45)))
    place = draw.textbbox(corner, item.text, font=font)
    draw.rectangle(place, fill=colour)
    draw.text(corner, item.text, fill=(255, 255, 255), font=font)


def _save(picture: Image.Image, path: Path) -> None:
    """Write a picture atomically, with the mark that :func:`is_drawn` looks for."""
    check(
        path.suffix.lower() in Image.registered_extensions(),
        f"cannot write the picture {path}: its suffix is none of a picture, such as .png.",
    )
    mark = PngInfo()
    mark.add_text("Software", _WRITER)
    with staging_folder(path.parent) as folder, writing(path):
        staged = folder / f"picture{path.suffix}"
        picture.save(staged, pnginfo=mark)
        publish(staged, path)
