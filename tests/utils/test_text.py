"""Names of users' files in messages."""

from __future__ import annotations

import os
import unicodedata

import pytest

from acmix.utils.text import first_few, printable, shorten


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("net.ckpt", "net.ckpt"),
        ("蚂蚁 café ü", "蚂蚁 café ü"),
        (unicodedata.normalize("NFD", "café"), unicodedata.normalize("NFD", "café")),
        ("a\nFinished", r"a\nFinished"),
        ("\x1b[31mred\x07", r"\x1b[31mred\x07"),
        ("\x9b2J", r"\x9b2J"),
        ("gnp.\u202eexe", r"gnp.\u202eexe"),
        (os.fsdecode("狗".encode("gbk")), r"\xb9\xb7"),
        ("\ud83d", r"\ud83d"),
    ],
)
def test_control_characters_and_foreign_bytes_are_escaped(name, shown):
    assert printable(name) == shown
    assert printable(name).isprintable() or "e" in name


def test_layout_can_be_kept():
    assert printable("a\tb\n\x1b", keep="\n\t") == "a\tb\n\\x1b"


def test_long_lists_and_texts_are_cut():
    assert first_few("abcd", 2) == "a, b and 2 more"
    assert first_few("abcd", 4) == "a, b, c, d"
    assert shorten("x" * 300, 100) == "x" * 97 + "..."
    assert shorten("short") == "short"
