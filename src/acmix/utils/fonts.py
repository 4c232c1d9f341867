"""Names in pictures and plots: a font that has their characters, or else a transcription."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

from acmix.utils.text import first_few, printable, shorten

logger = logging.getLogger(__name__)

_LONGEST = 100
_MAX_FONTS = 2000
_UNFIT = ("lastresort", "emoji")  # placeholders for every character; bitmaps of one size
_told: set[str] = set()


class Drawable(NamedTuple):
    """A text, and the file of a font that has all of its characters."""

    text: str
    font: Path


def drawable(texts: Sequence[str], keep: str = "") -> list[Drawable]:
    """Return each text as it can be drawn.

    The font is DejaVu Sans, which matplotlib ships, or one of the system's. Characters that no
    font has are transcribed to ASCII, with a notice. Different texts stay different.

    Args:
        texts: such as names of classes; control characters become escapes, and long ones are cut.
        keep: control characters to keep, such as those of a text of several lines.
    """
    drawn: dict[str, Drawable] = {}
    taken: set[str] = set()
    for text in dict.fromkeys(texts):
        found = _draw(shorten(printable(text, keep), _LONGEST))
        number, unique = 1, found.text
        while unique in taken:
            number += 1
            unique = f"{found.text} ({number})"
        taken.add(unique)
        drawn[text] = Drawable(unique, found.font)
    _tell({printable(text): item.text for text, item in drawn.items() if _transcribed(text, item)})
    return [drawn[text] for text in texts]


def _draw(text: str) -> Drawable:
    own = _default_font()
    missing = set(text) - _characters(own) - {"\n"}
    if not missing:
        return Drawable(text, own)
    for font in _system_fonts():
        if _characters(font) >= set(text) - {"\n"}:
            return Drawable(text, font)
    return Drawable("".join(_transcribe(c) if c in missing else c for c in text), own)


def _transcribed(text: str, item: Drawable) -> bool:
    return bool(set(printable(text)[: _LONGEST - 3]) - set(item.text) - {"\n"})


def _tell(transcribed: dict[str, str]) -> None:
    """Say once what is written otherwise; a picture of each image would repeat it."""
    new = {text: other for text, other in transcribed.items() if text not in _told}
    if new and not _told:
        pairs = [f"{text} as {other}" for text, other in new.items()]
        logger.warning(
            "No font on this machine shows all names: pictures show %s. Install one, such as Noto "
            "Sans CJK.",
            first_few(pairs),
        )
    _told.update(new)


def _transcribe(character: str) -> str:
    try:
        from anyascii import anyascii
    except ImportError:  # a machine without it shows the number of the character
        return f"U+{ord(character):04X} "
    return anyascii(character) or f"U+{ord(character):04X} "


@cache
def _default_font() -> Path:
    import matplotlib as mpl

    return Path(mpl.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"


@cache
def _system_fonts() -> list[Path]:
    """Return the system's font files, upright and regular ones first."""
    from matplotlib.font_manager import findSystemFonts

    files = [Path(file) for file in findSystemFonts()]
    fit = [file for file in files if not any(word in file.name.lower() for word in _UNFIT)]
    slanted = ("bold", "italic", "oblique", "black", "thin", "light")
    fit.sort(key=lambda file: (any(word in file.name.lower() for word in slanted), str(file)))
    return fit[:_MAX_FONTS]


@cache
def _characters(font: Path) -> frozenset[str]:
    from matplotlib.ft2font import FT2Font

    try:
        return frozenset(map(chr, FT2Font(str(font)).get_charmap()))
    except (OSError, RuntimeError, ValueError):  # a damaged file, or a format without characters
        return frozenset()
