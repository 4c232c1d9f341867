"""Draw predictions on images."""

from __future__ import annotations

import colorsys
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from PIL.PngImagePlugin import PngInfo

from acmix.data.decode import decode
from acmix.errors import check
from acmix.utils.files import publish, staging_folder, writing
from acmix.utils.fonts import drawable
from acmix.utils.outputs import check_replaceable

Colour = tuple[int, int, int]

_WHITE: Colour = (255, 255, 255)
_COLOUR_SHARE = 0.55
"""Share of the classes' colours in an overlay: both they and the image are recognised."""

_WRITER = "acmix predict"
_MARK = b"tEXtSoftware\0" + _WRITER.encode()
_MARK_WITHIN = 2**22  # bytes; only a colour profile comes before it

_ROWS = 10
"""Rows of a legend that even a small picture has; the white below it grows."""


def caption(image: str, path: Path, text: str) -> None:
    """Write ``image`` to ``path`` with a line of text in its upper left corner."""
    picture = _open(image)
    _label(picture, (0, 0), text, (0, 0, 0))
    _save(picture, path)


def draw_objects(
    image: str,
    path: Path,
    boxes: np.ndarray,
    texts: Sequence[str],
    colours: Sequence[int],
    masks: Iterable[np.ndarray] = (),
) -> None:
    """Write ``image`` to ``path`` with labelled boxes and masks.

    The first box is drawn last, on top; of masks the first is on top, too.

    Args:
        image: path.
        path: picture to write.
        boxes: (D, 4), xyxy in pixels.
        texts: label of each box.
        colours: number of the colour of each, see :func:`class_colour`.
        masks: bitmaps (H, W) of as many objects as there are boxes, or none.

    Raises:
        UserError: the picture cannot be written.
    """
    picture = _open(image)
    owner = np.zeros((picture.height, picture.width), np.uint16)
    for number, mask in enumerate(masks, start=1):
        owner[(mask > 0) & (owner == 0)] = number
    if owner.any():
        palette = np.array([_WHITE, *map(class_colour, colours)], np.uint8)
        mixed = Image.blend(picture, Image.fromarray(palette[owner]), _COLOUR_SHARE)
        picture.paste(mixed, mask=Image.fromarray(owner > 0))
    draw = ImageDraw.Draw(picture)
    width = max(1, round(max(picture.size) / 400))
    for box, text, number in reversed(list(zip(boxes.tolist(), texts, colours, strict=True))):
        colour = class_colour(number)
        draw.rectangle(box, outline=colour, width=width)
        _label(picture, (box[0], box[1]), text, colour)
    _save(picture, path)


def draw_labels(
    image: str, path: Path, labels: np.ndarray, palette: np.ndarray, names: Mapping[int, str]
) -> None:
    """Write ``image`` mixed with the colours of its labels, and a legend at the right.

    Args:
        image: path.
        path: picture to write.
        labels: (H, W), the size of the image.
        palette: (K, 3) uint8, red, green and blue of each class.
        names: texts of the legend by label, in the order of the legend.

    Raises:
        UserError: the picture cannot be written.
    """
    picture = _open(image)
    coloured = Image.fromarray(palette[labels])
    mixed = Image.blend(picture, coloured, _COLOUR_SHARE)
    colours = [(_rgb(palette[label]), text) for label, text in names.items()]
    _save(_with_legend(mixed, colours), path)


def save_label_map(path: Path, labels: np.ndarray, palette: np.ndarray | None = None) -> None:
    """Write labels (H, W) uint8 as a PNG of grey, or of a palette whose indices are the labels.

    Raises:
        UserError: the picture cannot be written.
    """
    picture = Image.fromarray(labels)
    if palette is not None:
        picture.putpalette(palette.tobytes())
    _save(picture, path)


def class_colour(label: int) -> Colour:
    """Return the fixed colour of a number; hues follow the golden ratio for high contrast."""
    red, green, blue = colorsys.hsv_to_rgb((label * 0.618034) % 1, 0.85, 0.9)
    return round(255 * red), round(255 * green), round(255 * blue)


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


def _open(image: str) -> Image.Image:
    return decode(Path(image).read_bytes(), 3)


def _label(picture: Image.Image, corner: tuple[float, float], text: str, colour: Colour) -> None:
    (item,) = drawable([text])
    draw = ImageDraw.Draw(picture)
    font = ImageFont.truetype(str(item.font), _font_size(picture))
    place = draw.textbbox(corner, item.text, font=font)
    draw.rectangle(place, fill=colour)
    draw.text(corner, item.text, fill=(255, 255, 255), font=font)


def _with_legend(picture: Image.Image, entries: Sequence[tuple[Colour, str]]) -> Image.Image:
    """Return the picture with a column of coloured squares and texts; what does not fit is counted.

    The column lies outside of the picture, so that it hides nothing.
    """
    size = _font_size(picture)
    row, margin = round(1.5 * size), size // 2
    fit = max(_ROWS, (picture.height - margin) // row)
    if len(entries) > fit:
        entries = [*entries[: fit - 1], (_WHITE, f"and {len(entries) - fit + 1} more")]
    items = drawable([text for _, text in entries])
    fonts = [ImageFont.truetype(str(item.font), size) for item in items]
    widest = max(font.getlength(item.text) for font, item in zip(fonts, items, strict=True))
    width = math.ceil(widest) + row + 2 * margin
    height = max(picture.height, len(entries) * row + margin)
    canvas = Image.new("RGB", (picture.width + width, height), _WHITE)
    canvas.paste(picture, (0, 0))
    draw = ImageDraw.Draw(canvas)
    left, top = picture.width + margin, margin
    for (colour, _), item, font in zip(entries, items, fonts, strict=True):
        draw.rectangle((left, top, left + size, top + size), fill=colour)
        draw.text((left + row, top + size // 2), item.text, fill=(0, 0, 0), font=font, anchor="lm")
        top += row
    return canvas


def _rgb(colour: np.ndarray) -> Colour:
    red, green, blue = colour.tolist()
    return red, green, blue


def _font_size(picture: Image.Image) -> int:
    return max(10, round(max(picture.size) / 45))


def _save(picture: Image.Image, path: Path) -> None:
    """Write a picture atomically, with the mark that :func:`is_drawn` looks for."""
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
