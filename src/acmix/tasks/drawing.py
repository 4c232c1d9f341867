"""Draw predictions on images.

Sizes of letters and lines follow from the size of the picture. Small images are enlarged by a whole
factor, so that labels can be read and hide little.
"""

from __future__ import annotations

import colorsys
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from acmix.data.image_input import open_image
from acmix.tasks.label_places import place_labels
from acmix.utils.fonts import drawable

Colour = tuple[int, int, int]

_WHITE: Colour = (255, 255, 255)
_BLACK: Colour = (0, 0, 0)
_SMALL = 320
"""Pixels of the longer side up to which an image is enlarged."""
_COLOUR_SHARE = 0.55
"""Share of the classes' colours in an overlay: both they and the image are recognised."""
_LIGHT = 0.179
"""Relative luminance at which black and white have the same contrast to a colour."""

_ROWS = 10
"""Rows of a legend that even a small picture has; the white below it grows."""


def open_picture(image: str) -> Image.Image:
    """Return an image file as RGB.

    Raises:
        UserError: the file does not exist or is not an image; names the path.
    """
    return open_image(image, 3)


def caption(picture: Image.Image, text: str) -> Image.Image:
    """Return a picture with a line of text in its upper left corner."""
    picture = _enlarged(picture)
    _draw_labels_at(picture, np.zeros((1, 4)), [text], [_BLACK])
    return picture


def draw_objects(
    picture: Image.Image,
    boxes: np.ndarray,
    texts: Sequence[str],
    colours: Sequence[int],
    masks: Iterable[np.ndarray] = (),
) -> Image.Image:
    """Return a picture with labelled boxes and masks.

    The first box is drawn last, on top; of masks the first is on top, too. Labels are above all
    boxes and masks, see :func:`acmix.tasks.label_places.place_labels`.

    Args:
        picture: RGB.
        boxes: (D, 4), xyxy in pixels.
        texts: label of each box.
        colours: number of the colour of each, see :func:`class_colour`.
        masks: bitmaps (H, W) of as many objects as there are boxes, or none.
    """
    shades = [class_colour(number) for number in colours]
    before = picture.width
    picture = _enlarged(picture)
    factor = picture.width // before
    width = _line_width(picture)
    picture = _with_masks(picture, shades, (_repeated(mask, factor) for mask in masks))
    # An edge at the far border would lie outside of the picture.
    edges = np.clip(boxes * factor, 0, np.tile(np.subtract(picture.size, 1), 2))
    draw = ImageDraw.Draw(picture)
    for edge, colour in reversed(list(zip(edges.tolist(), shades, strict=True))):
        draw.rectangle(edge, outline=colour, width=width)
    _draw_labels_at(picture, edges, texts, shades)
    return picture


def draw_labels(
    picture: Image.Image, labels: np.ndarray, palette: np.ndarray, names: Mapping[int, str]
) -> Image.Image:
    """Return a picture mixed with the colours of its labels, and a legend at the right.

    Args:
        picture: RGB.
        labels: (H, W), the size of the picture.
        palette: (K, 3) uint8, red, green and blue of each class.
        names: texts of the legend by label, in the order of the legend.
    """
    coloured = Image.fromarray(palette[labels])
    mixed = _enlarged(Image.blend(picture, coloured, _COLOUR_SHARE))
    return _with_legend(mixed, [(_rgb(palette[label]), text) for label, text in names.items()])


def beside(pictures: Mapping[str, Image.Image]) -> Image.Image:
    """Return pictures side by side under their titles, on white."""
    first = next(iter(pictures.values()))
    size = _font_size(first)
    margin, top = size // 2, 2 * size
    width = sum(picture.width + margin for picture in pictures.values()) + margin
    height = max(picture.height for picture in pictures.values()) + top + margin
    canvas = Image.new("RGB", (width, height), _WHITE)
    draw = ImageDraw.Draw(canvas)
    left = margin
    for item, picture in zip(drawable(list(pictures)), pictures.values(), strict=True):
        font = ImageFont.truetype(str(item.font), size)
        draw.text((left, top // 2), item.text, fill=_BLACK, font=font, anchor="lm")
        canvas.paste(picture, (left, top))
        left += picture.width + margin
    return canvas


def class_colour(label: int) -> Colour:
    """Return the fixed colour of a number; hues follow the golden ratio for high contrast."""
    red, green, blue = colorsys.hsv_to_rgb((label * 0.618034) % 1, 0.85, 0.9)
    return round(255 * red), round(255 * green), round(255 * blue)


def text_colour(background: Colour) -> Colour:
    """Return black or white, whichever has the higher contrast to a colour (WCAG 2)."""
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4
        for part in (value / 255 for value in background)
    ]
    luminance = float(np.dot(linear, (0.2126, 0.7152, 0.0722)))
    return _BLACK if luminance > _LIGHT else _WHITE


def _enlarged(picture: Image.Image) -> Image.Image:
    """Return a copy, of a small picture with whole squares for its pixels."""
    factor = max(1, math.ceil(_SMALL / max(picture.size)))
    size = picture.width * factor, picture.height * factor
    return picture.resize(size, Image.Resampling.NEAREST)


def _repeated(mask: np.ndarray, factor: int) -> np.ndarray:
    return mask.repeat(factor, 0).repeat(factor, 1) if factor > 1 else mask


def _with_masks(
    picture: Image.Image, colours: Sequence[Colour], masks: Iterable[np.ndarray]
) -> Image.Image:
    """Return the picture mixed with the colours of its masks, and with their outlines."""
    owner = np.zeros((picture.height, picture.width), np.uint16)
    outlines = []
    for number, mask in enumerate(masks, start=1):
        inside = (mask > 0).astype(np.uint8)
        owner[(inside > 0) & (owner == 0)] = number
        outlines.append(cv2.findContours(inside, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)[0])
    if not owner.any():
        return picture
    palette = np.array([_WHITE, *colours], np.uint8)
    mixed = Image.blend(picture, Image.fromarray(palette[owner]), _COLOUR_SHARE)
    pixels = np.array(Image.composite(mixed, picture, Image.fromarray(owner > 0)))
    width = max(1, _line_width(picture) // 2)
    for contours, colour in reversed(list(zip(outlines, colours, strict=True))):
        cv2.polylines(pixels, contours, True, colour, width, cv2.LINE_AA)
    return Image.fromarray(pixels)


def _draw_labels_at(
    picture: Image.Image, boxes: np.ndarray, texts: Sequence[str], colours: Sequence[Colour]
) -> None:
    """Write a text on its colour beside each box, the first one on top."""
    written = list(_fitted(texts, picture))
    margin = max(1, _font_size(picture) // 6)
    sizes = [
        (math.ceil(font.getlength(text)) + 2 * margin, _height(font)) for text, font in written
    ]
    corners = place_labels(boxes, sizes, picture.size)
    draw = ImageDraw.Draw(picture)
    labels = list(zip(written, corners, sizes, colours, strict=True))
    for (text, font), (left, top), (width, height), colour in reversed(labels):
        draw.rectangle((left, top, left + width - 1, top + height - 1), fill=colour)
        ink = text_colour(colour)
        middle = top + height // 2
        draw.text((left + margin, middle), text, fill=ink, font=font, anchor="lm")


def _fitted(
    texts: Sequence[str], picture: Image.Image
) -> Iterator[tuple[str, ImageFont.FreeTypeFont]]:
    """Yield each text with a font that has its characters, cut where the picture is narrower."""
    size = _font_size(picture)
    room = picture.width - 2 * max(1, size // 6)
    for item in drawable(texts):
        font = ImageFont.truetype(str(item.font), size)
        text, kept = item.text, len(item.text)
        while kept > 1 and font.getlength(text) > room:
            kept = min(kept - 1, int(kept * room / font.getlength(text)) + 1)
            # The end of a label is a share, which matters most.
            text = f"{item.text[: max(1, kept - 5)]}...{item.text[-5:]}"
        yield text, font


def _height(font: ImageFont.FreeTypeFont) -> int:
    return sum(font.getmetrics())


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
        draw.text((left + row, top + size // 2), item.text, fill=_BLACK, font=font, anchor="lm")
        top += row
    return canvas


def _rgb(colour: np.ndarray) -> Colour:
    red, green, blue = colour.tolist()
    return red, green, blue


def _line_width(picture: Image.Image) -> int:
    return max(1, round(_extent(picture) / 250))


def _font_size(picture: Image.Image) -> int:
    return max(12, round(_extent(picture) / 35))


def _extent(picture: Image.Image) -> float:
    """Return the side of a square of the picture's area: a panorama has no letters of its width."""
    return math.sqrt(picture.width * picture.height)
