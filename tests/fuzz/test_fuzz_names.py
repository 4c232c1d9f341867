"""Whatever files, classes and annotations are called, they are read or refused in one line."""

import json
import os
import shutil

import pytest
from damages import answer_or_error, damaged
from hypothesis import given
from hypothesis import strategies as st

from acmix.data.coco_files import locate
from acmix.data.coco_form import read_categories, read_records
from acmix.data.digest import digest_of
from acmix.data.image_folder import image_folder
from acmix.data.json_file import read_json
from acmix.data.names import listed
from acmix.data.tiny_imagenet import LIST, tiny_imagenet_labels

PNG = b"\x89PNG\r\n\x1a\n"
# Bytes of a file name that are any, texts of any script, and what changes a terminal.
NAMES = (
    st.binary(min_size=1, max_size=20).map(os.fsdecode)
    | st.text(min_size=1, max_size=20)
    | st.sampled_from(["café", "cafe\u0301", "\x1b[31m", "a\nb", "\u202e", "a\\b", ".a", "val"])
)


def fits(name):
    """Return whether a file may have this name."""
    try:
        raw = os.fsencode(name)
    except UnicodeEncodeError:  # a surrogate that stands for no byte
        return False
    return name not in (".", "..") and not {b"/"[0], 0} & set(raw) and len(raw) < 256


FILE_NAMES = NAMES.filter(fits)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("names")


def make(folder, files):
    shutil.rmtree(os.fsencode(folder))
    for file in files:
        try:
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            (folder / file).write_bytes(PNG)
        except (FileExistsError, NotADirectoryError, IsADirectoryError):
            continue  # two names of one file, or a folder of a file's name
    folder.mkdir(exist_ok=True)
    return folder


def is_short_line(error):
    return 20 < len(error) < 5000


@given(classes=st.lists(st.tuples(FILE_NAMES, FILE_NAMES, FILE_NAMES), min_size=1, max_size=4))
def test_a_folder_of_any_names_is_read_or_refused(folder, classes):
    files = ["/".join(("train", *parts)) for parts in classes]
    found, error = answer_or_error(image_folder, make(folder, files), "train")
    if found is None:
        assert is_short_line(error)
        error.encode()
    else:
        assert len(found) == len(found.labels) == len(found.keys)
        assert all(found.read(i) == PNG for i in range(len(found)))
        json.dumps(found.classes, ensure_ascii=False).encode()
        digest_of(found.keys)


@given(names=st.lists(NAMES, min_size=1, max_size=4), there=st.lists(FILE_NAMES, max_size=4))
def test_file_names_of_annotations_are_found_or_refused(folder, names, there):
    make(folder, there)
    found, error = answer_or_error(locate, folder, names, folder / "train.json")
    if found is None:
        assert is_short_line(error)
    else:
        assert all((folder / name).is_file() for name in found)


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-3, 3)
    | st.integers()
    | st.sampled_from([10**400, 2**63, -(2**53)])
    | st.floats()
    | st.text(max_size=5)
    | st.just("\ud800"),
    lambda values: st.lists(values, max_size=4) | st.dictionaries(st.text(max_size=5), values),
    max_leaves=6,
)
BOX = st.lists(st.floats() | st.integers(0, 99), min_size=4, max_size=4)


def entries(**fields):
    """Entries that are mostly right."""
    right = st.fixed_dictionaries(fields)
    wrong = st.tuples(right, st.sampled_from(sorted(fields)), VALUES).map(
        lambda drawn: drawn[0] | {drawn[1]: drawn[2]}
    )
    return st.lists(right | wrong, min_size=1, max_size=3) | VALUES


TREES = st.fixed_dictionaries(
    {
        "images": entries(
            id=st.integers(0, 2), file_name=st.text(max_size=5),
            width=st.integers(1, 99), height=st.integers(1, 99),
        ),
        "annotations": entries(
            image_id=st.integers(0, 2), category_id=st.integers(0, 2), bbox=BOX,
            area=st.floats(0, 99), iscrowd=st.integers(0, 1),
        ),
        "categories": entries(id=st.integers(0, 2), name=st.text(max_size=5)),
    }
)  # fmt: skip


@given(tree=TREES | VALUES)
def test_any_annotations_are_records_or_a_clear_error(tree):
    categories, error = answer_or_error(read_categories, tree, "train.json")
    records, other = answer_or_error(read_records, tree, "train.json")
    for text in (error, other):
        assert text is None or is_short_line(text)
    if categories is not None and records is not None:
        assert len(set(categories.values())) == len(categories)
        digest_of(record.to_list() for record in records)
        for record in records:
            assert (record.boxes >= 0).all()
            assert (record.boxes <= [record.width, record.height] * 2).all()


TREE = {"images": [{"id": 1, "file_name": "狗.png"}], "categories": [{"id": 1, "name": "café"}]}
TEXTS = [
    json.dumps(TREE, ensure_ascii=False).encode(encoding)
    for encoding in ("utf-8", "utf-8-sig", "utf-16", "utf-32", "gb18030")
]


@given(content=st.sampled_from(TEXTS).flatmap(damaged) | st.binary(max_size=80))
def test_any_bytes_are_json_or_a_clear_error(folder, content):
    (folder / "train.json").write_bytes(content)
    _, error = answer_or_error(read_json, folder / "train.json")
    assert error is None or is_short_line(error)


ROWS = b"val_0.JPEG\tn01\t0\t0\nval_1.JPEG\tn02\t0\t0\n"


@given(content=damaged(ROWS) | st.binary(max_size=80))
def test_any_list_of_tiny_imagenet_gives_labels_or_a_clear_error(folder, content):
    (folder / LIST).write_bytes(content)
    files = ["images/val_0.JPEG", "images/val_1.JPEG"]
    found, error = answer_or_error(tiny_imagenet_labels, folder, files)
    if found is None:
        assert is_short_line(error)
    else:
        classes, labels = found
        assert [0 <= label < len(classes) for label in labels] == [True, True]


@given(names=st.lists(NAMES | st.text(min_size=1000, max_size=2000), max_size=30))
def test_a_list_of_names_is_short_and_harmless(names):
    text = listed(names)
    assert len(text) < 2000
    assert text.isprintable() or not any(ord(c) < 32 for c in text)
    text.encode()
