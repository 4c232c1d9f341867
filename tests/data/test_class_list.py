"""Class lists: text and YAML, values and colours, and every mistake by name."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from acmix.data import class_list
from acmix.data.class_list import UNLISTED, colour_map, read_class_list
from acmix.errors import UserError

BUILT_IN = Path(class_list.__file__).parent / "classes"
GOLDEN = Path(__file__).parents[1] / "golden"


def read(path, text=None, *, reduce=False, ignore=False):
    if text is not None:
        path.write_text(text, encoding="utf-8")
    return read_class_list(path, reduce_zero_label=reduce, ignores_others=ignore)


def test_ade20k_has_the_public_names_and_colours():
    expected = np.load(GOLDEN / "ade20k_classes.npz")
    ours = read(BUILT_IN / "ade20k.yaml", reduce=True)
    names = [name.strip() for name in json.loads(str(expected["meta"]))["names"]]
    assert list(ours.names) == names
    np.testing.assert_array_equal(ours.palette, expected["out_palette"])
    assert ours.values == tuple(range(1, 151))


def test_built_in_lists_have_their_classes():
    assert len(read(BUILT_IN / "cityscapes.yaml").names) == 19
    voc = read(BUILT_IN / "voc.yaml")
    assert len(voc.names) == 21
    assert voc.palette[15] == (192, 128, 128)  # person


def test_a_text_names_one_class_a_line(tmp_path):
    found = read(tmp_path / "names.txt", "\ufeffroad\n\n  tree \n")
    assert found.names == ("road", "tree")
    assert found.table()[[0, 1, 2, 255]].tolist() == [0, 1, UNLISTED, 255]


@pytest.mark.parametrize(
    "text",
    ["- road\n- tree", "classes: [road, tree]", "names: {0: road, 1: tree}", "0: road\n1: tree"],
)
def test_yaml_forms_are_equal(tmp_path, text):
    found = read(tmp_path / "names.yaml", text)
    assert (found.names, found.values) == (("road", "tree"), (0, 1))


def test_values_may_have_gaps_and_zero_is_ignored_even_if_it_has_a_name(tmp_path):
    file = tmp_path / "names.yml"
    text = "train: {images: x}\nclasses: {0: unlabeled, 7: road, 200: tree}"
    kept = read(file, text)
    assert kept.table()[[0, 1, 7, 200]].tolist() == [0, UNLISTED, 1, 2]
    reduced = read(file, reduce=True)
    assert reduced.names == ("road", "tree")
    assert reduced.table()[[0, 7, 200, 255]].tolist() == [255, 0, 1, 255]
    assert read(file, ignore=True).table()[1] == 255


def test_reduce_zero_label_counts_names_from_one(tmp_path):
    table = read(tmp_path / "names.txt", "road\ntree", reduce=True).table()
    assert table[[0, 1, 2, 3, 255]].tolist() == [255, 0, 1, UNLISTED, 255]


def test_colours_are_given_or_distinct(tmp_path):
    given = read(tmp_path / "names.yaml", "classes: [a, b]\npalette: [[1, 2, 3], [4, 5, 6]]")
    assert given.palette == ((1, 2, 3), (4, 5, 6))
    assert len(set(colour_map(255)) | {(0, 0, 0)}) == 256


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.yaml", "classes: [on, 3]", r"must be texts, got True, 3; put quotes around them"),
        ("a.yaml", "{300: a}", r"integers from 0 to 254, got 300"),
        ("a.yaml", "{x: a}", r"integers from 0 to 254, got 'x'"),
        ("a.yaml", "3", r"must hold one name a line, or YAML: a list of names"),
        ("a.yaml", "classes: [a]\npalette: [[1, 2]]", r"palette must be a list of 1 colours"),
        ("a.yaml", "[a, b", r"cannot be read as YAML"),
        ("a.txt", "", r"names no class"),
        ("a.txt", "a\nb\na", r"gives 'a' twice"),
        ("a.txt", "\n".join(map(str, range(256))), r"from 0 to 254, got 255"),
    ],
)
def test_a_list_that_is_none_is_refused(tmp_path, name, text, message):
    with pytest.raises(UserError, match=message) as error:
        read(tmp_path / name, text)
    assert str(tmp_path / name) in str(error.value)


def test_a_list_in_another_encoding_is_refused(tmp_path):
    (tmp_path / "a.txt").write_bytes("Stra\xdfe".encode("latin-1"))
    with pytest.raises(UserError, match=r"a\.txt is not UTF-8"):
        read(tmp_path / "a.txt")
