"""File names of annotations are found as other systems write them, or told why not."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path

import pytest

from acmix.data.coco_files import locate
from acmix.errors import UserError

SOURCE = Path("train.json")
NFC, NFD = (unicodedata.normalize(form, "café/Ü.png") for form in ("NFC", "NFD"))


@pytest.fixture
def folder(tmp_path):
    def write(*names):
        for name in names:
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).touch()
        return tmp_path

    return write


def test_backslashes_are_taken_for_slashes_and_told(folder, caplog):
    names = ["a\\b\\1.jpg", "2.jpg"]
    assert locate(folder("a/b/1.jpg", "2.jpg"), names, SOURCE) == ["a/b/1.jpg", "2.jpg"]
    (record,) = caplog.records
    assert record.getMessage() == (
        "train.json writes 1 file names with backslashes, which are taken for slashes, such as "
        "a\\b\\1.jpg."
    )


def test_a_backslash_in_the_name_of_a_file_is_one(folder, caplog):
    assert locate(folder("a\\1.jpg"), ["a\\1.jpg"], SOURCE) == ["a\\1.jpg"]
    assert not caplog.records


@pytest.mark.parametrize(("written", "there"), [(NFC, NFD), (NFD, NFC)])
def test_names_in_another_form_of_unicode_are_found_and_told(folder, caplog, written, there):
    assert locate(folder(there, "b.png"), ["b.png", written], SOURCE) == ["b.png", there]
    (record,) = caplog.records
    assert "writes 1 file names in another form of Unicode than those of the files" in (
        record.getMessage()
    )


def test_both_at_once(folder):
    assert locate(folder(NFD), [NFC.replace("/", "\\")], SOURCE) == [NFD]


def test_a_name_of_the_wrong_case_or_folder_is_missing_with_a_hint(folder):
    with pytest.raises(
        UserError, match=r"1 of 1 images of train\.json are not in .*: a\.jpg\. "
    ) as e:
        locate(folder("sub/A.JPG"), ["a.jpg"], SOURCE)
    assert "There is sub/A.JPG, though. " in str(e.value)


@pytest.mark.parametrize(
    "name",
    ["../1.png", "/etc/passwd", "..\\..\\1.png", "a/../../1.png", "C:\\1.png", "\\1.png"],
)
def test_names_that_lead_out_are_refused(folder, name):
    with pytest.raises(UserError, match="file names must be relative to"):
        locate(folder("1.png"), [name], SOURCE)


@pytest.mark.parametrize("name", ["", ".", "a", "nul\0.png", "\ud800.png", "x" * 5000, "a/" * 3000])
def test_names_that_no_file_can_have_are_missing(folder, name):
    with pytest.raises(UserError, match="1 of 2 images"):
        locate(folder("a/1.png"), ["a/1.png", name], SOURCE)


def test_bytes_that_are_not_utf_8_are_a_name(folder):
    name = os.fsdecode(b"\xb9\xb7.png")
    assert locate(folder(name), [name], SOURCE) == [name]


def test_files_that_are_not_annotated_are_told(folder, caplog):
    with caplog.at_level("INFO"):
        locate(folder("1.png", *(f"{i}.jpg" for i in range(7))), ["1.png"], SOURCE)
    assert "7 files in" in caplog.text
    assert "are not in it and are not read: 0.jpg, 1.jpg" in caplog.text
    assert "and 2 more" in caplog.text
