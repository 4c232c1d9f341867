"""Digest of what a data set is, equal on every machine and in every process."""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections.abc import Iterable


def digest_of(values: Iterable[object]) -> str:
    """Return the SHA-256 of values that JSON can hold, in hexadecimal.

    Texts are compared in Unicode's composed form: file systems keep names in different forms.
    """
    digest = hashlib.sha256()
    for value in values:
        text = unicodedata.normalize("NFC", json.dumps(value, ensure_ascii=False))
        # Names may hold bytes that are not UTF-8, which Python keeps as surrogates.
        digest.update(text.encode("utf-8", "surrogatepass") + b"\n")
    return digest.hexdigest()
