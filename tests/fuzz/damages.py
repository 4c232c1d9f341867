"""Damage to files, and what may come of it: an answer or a clear error, and no change on disk."""

import zlib
from pathlib import Path

from hypothesis import strategies as st

from acmix.errors import UserError


@st.composite
def damaged(draw, content):
    """``content`` after up to four edits: cut short, a piece cut out or repeated, bytes changed."""
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, max(len(content) - 1, 0)))
        head, middle, tail = content[:at], content[at : at + 40], content[at + 40 :]
        content = draw(
            st.sampled_from([head, head + tail, head + 3 * middle + tail]) | _put(content, at)
        )
    return content


@st.composite
def _put(draw, content, at):
    new = draw(st.binary(max_size=12))
    flipped = bytes([content[at] ^ (1 << draw(st.integers(0, 7)))]) if content else b""
    replaced = draw(st.integers(0, len(new)))
    return draw(
        st.sampled_from(
            [
                content[:at] + flipped + content[at + 1 :],
                content[:at] + new + content[at + replaced :],
            ]
        )
    )


def sealed(content):
    """Give the content of a ``.ckpt`` a CRC that fits, so that the damage is not found by that."""
    return content + b"crc_num" + zlib.crc32(content).to_bytes(10, "big")


def answer_or_clear_error(call, file):
    """Return what ``call(file)`` returns, or None for a UserError that says something.

    The files of the folder must be what they were.
    """
    file = Path(file)
    before = _contents(file.parent)
    found, error = answer_or_error(call, file)
    assert _contents(file.parent) == before
    assert error is None or len(file.name) < len(error) < 5000
    assert error is None or "fault of acmix" not in error, error
    return found


def answer_or_error(call, *arguments, error=UserError):
    """Return what ``call`` returns and None, or None and the text of the error."""
    try:
        return call(*arguments), None
    except error as caught:
        return None, str(caught)


def _contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}
