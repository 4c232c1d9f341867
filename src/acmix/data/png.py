"""PNG files without what pixels do not need: texts, colour profiles, times."""

from __future__ import annotations

import struct

SIGNATURE = b"\x89PNG\r\n\x1a\n"
# Palette, transparency, orientation; and the critical chunks, whose names start with a capital.
_KEPT = (b"tRNS", b"eXIf")


def pixels_alone(encoded: bytes) -> bytes:
    """Return a PNG file without the chunks that its pixels do not need.

    A text of an image generator or a scanner may be longer than a decoder wants to inflate, and a
    damaged one says nothing about the pixels.
    """
    pieces = [SIGNATURE]
    position = len(SIGNATURE)
    while position + 8 <= len(encoded):
        length, kind = struct.unpack_from(">I4s", encoded, position)
        end = position + 12 + length
        if kind[:1].isupper() or kind in _KEPT:
            pieces.append(encoded[position:end])
        position = end
    return b"".join(pieces)
