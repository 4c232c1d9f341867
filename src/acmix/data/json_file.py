"""Read a JSON file of annotations that another program wrote."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from acmix.errors import UserError
from acmix.utils.reading import read_bytes

MAX_BYTES = 2**32
"""Largest file of annotations in bytes; COCO's training split takes 0.5 GB, LVIS's 1.1 GB."""


def read_json(path: Path) -> Any:
    """Return the content of a JSON file in UTF-8, UTF-16 or UTF-32, with a byte order mark or not.

    Raises:
        UserError: the file is missing, unreadable, too large, not in such an encoding, or not JSON.
    """
    content = read_bytes(path, MAX_BYTES)
    try:
        return json.loads(content)
    except UnicodeDecodeError as error:
        raise UserError(
            f"{path} is not UTF-8: byte {error.object[error.start]:#04x} at position {error.start} "
            f"is none{_guess(content)}"
        ) from error
    except RecursionError as error:
        raise UserError(f"{path} cannot be read as JSON: it is nested too deeply.") from error
    except MemoryError as error:
        raise UserError(f"{path} cannot be read: it needs more memory than there is.") from error
    except ValueError as error:
        raise UserError(
            f"{path} cannot be read as JSON: {error}. Download or write it again."
        ) from error


def _guess(content: bytes) -> str:
    """Return the remedy, with the encoding that the content is likely in."""
    try:
        content.decode("gbk")
        encoding, system = "gbk", "a Chinese Windows"
    except UnicodeDecodeError:
        encoding, system = "cp1252", "a Western European Windows"
    return (
        f" (it may be {encoding}, as {system} writes it). Save it as UTF-8, for example with "
        f"'iconv -f {encoding} -t utf-8 OLD > NEW'."
    )
