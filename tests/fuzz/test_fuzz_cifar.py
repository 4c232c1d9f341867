"""Any bytes are a part of CIFAR or a clear error, and nothing that a pickle names is called."""

import pickle

import numpy as np
import pytest
from damages import answer_or_clear_error, damaged
from fuzz_pickles import programs
from hypothesis import given
from hypothesis import strategies as st

from acmix.data.cifar_files import read_binary, read_names, read_pickled, read_python_names

PIXELS = np.random.default_rng(0).integers(256, size=(2, 3072), dtype=np.uint8)
BINARY = np.concatenate([np.array([[3], [9]], np.uint8), PIXELS], axis=1).tobytes()
TREE = {"data": PIXELS, "labels": [3, 9], "label_names": ["cat", "dog"]}
PICKLES = [pickle.dumps(TREE, protocol) for protocol in (0, 2, 4)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("cifar")


def assert_is_a_part(part):
    assert part is None or (
        part.pixels.shape == (len(part.labels), 3072)
        and part.pixels.dtype == np.uint8
        and part.labels.min() >= 0
        and part.labels.max() < 10
    )


@given(content=damaged(BINARY) | st.binary(max_size=80))
def test_records_or_clear_error(folder, content):
    file = folder / "data.bin"
    file.write_bytes(content)
    assert_is_a_part(answer_or_clear_error(lambda path: read_binary(path, 10, 1, 0), file))


@given(content=st.sampled_from(PICKLES).flatmap(damaged) | programs())
def test_pickled_part_or_clear_error(folder, content):
    file = folder / "data_batch"
    file.write_bytes(content)
    assert_is_a_part(answer_or_clear_error(lambda path: read_pickled(path, 10, "labels"), file))


@given(content=st.sampled_from(PICKLES).flatmap(damaged) | programs())
def test_pickled_names_or_clear_error(folder, content):
    file = folder / "meta"
    file.write_bytes(content)
    names = answer_or_clear_error(lambda path: read_python_names(path, "label_names"), file)
    assert names is None or len({*names}) == len(names) > 0


@given(content=damaged(b"cat\ndog\n\n") | st.binary(max_size=80))
def test_names_or_clear_error(folder, content):
    file = folder / "names.txt"
    file.write_bytes(content)
    names = answer_or_clear_error(read_names, file)
    assert names is None or len({*names}) == len(names) > 0
