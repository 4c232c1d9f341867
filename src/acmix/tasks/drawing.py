"""Draw predictions on images."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from acmix.data.decode import decode
from acmix.errors import UserError

Colour = tuple[int, int, int]


def caption(image: str, path: Path, text: str) -> None:
    """Write ``image`` to ``path`` with a line of text in its upper left corner."""
    picture = _open(image)
    _label(ImageDraw.Draw(picture), (0, 0), text, (0, 0, 0), _font(picture))
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
    draw, font = ImageDraw.Draw(picture), _font(picture)
    width = max(1, round(max(picture.size) / 400))
    for box, text, label in reversed(list(zip(boxes.tolist(), texts, classes, strict=True))):
        colour = class_colour(label)
        draw.rectangle(box, outline=colour, width=width)
        _label(draw, (box[0], box[1]), text, colour, font)
    _save(picture, path)


def class_colour(label: int) -> Colour:
    """Return the fixed colour of a class; hues follow the golden ratio for high contrast."""
    red, green, blue = colorsys.hsv_to_rgb((label * 0.618034) % 1, 0.85, 0.9)
    return round(255 * red), round(255 * green), round(255 * blue)


def _open(image: str) -> Image.Image:
    return decode(Path(image).read_bytes(), 3)


def _font(picture: Image.Image) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(max(10, round(max(picture.size) / 45)))


def _label(
    draw: ImageDraw.ImageDraw,
    corner: tuple[float, float],
    text: str,
    colour: Colour,
    font: ImageFont.FreeTypeFont | ImageFont.ImageFont,
) -> None:
    place = draw.textbbox(corner, text, font=font)
    draw.rectangle(place, fill=colour)
    draw.text(corner, text, fill=(255, 255, 255), font=font)


def _save(picture: Image.Image, path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        picture.save(path)
    except (OSError, ValueError) as error:  # ValueError: unknown suffix
        raise UserError(f"cannot write the picture {path}: {error}.") from error
