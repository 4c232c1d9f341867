"""Any bytes are a label map within the limit, or a class list, or a clear error."""

import io

import numpy as np
import pytest
from damages import answer_or_clear_error, answer_or_error, damaged
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from acmix.data.class_list import UNLISTED, read_class_list
from acmix.data.decode import DecodeError
from acmix.data.label_file import decode_labels, label_size

MAX_PIXELS = 2000
VALUES = np.random.default_rng(0).integers(0, 20, (12, 9), dtype=np.uint8)


def encoded(mode):
    buffer = io.BytesIO()
    image = Image.fromarray(VALUES)
    if mode == "P":
        image.putpalette(bytes(range(256)) * 3)
    (image if mode == "P" else image.convert(mode)).save(buffer, "PNG")
    return buffer.getvalue()


FILES = [encoded(mode) for mode in ("L", "P", "1", "RGB", "LA", "I;16")]


@given(content=st.sampled_from(FILES).flatmap(damaged) | st.binary(max_size=80))
def test_labels_within_the_limit_or_clear_error(content):
    labels, error = answer_or_error(decode_labels, content, MAX_PIXELS, error=DecodeError)
    if labels is None:
        assert error
    else:
        assert labels.dtype == np.uint8
        assert labels.size <= MAX_PIXELS
        assert label_size(content) == labels.shape[::-1]


LISTS = {
    "names.txt": b"road\ntree\n\xe2\x80\xa8sky\n",
    "names.yaml": b"classes: {0: other, 7: road, 200: tree}\npalette: [[1, 2, 3], [4, 5, 6], "
    b"[7, 8, 9]]\n",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("lists")


@pytest.mark.parametrize("name", LISTS)
@given(data=st.data())
def test_class_list_or_clear_error(folder, name, data):
    file = folder / name
    file.write_bytes(data.draw(damaged(LISTS[name])))

    def read(path):
        return read_class_list(path, reduce_zero_label=True, ignores_others=False)

    found = answer_or_clear_error(read, file)
    if found is not None:
        table = found.table()
        assert 0 < len(found.names) == len(found.values) == len(found.palette) <= 255
        assert sorted(set(table.tolist()) - {UNLISTED, 255}) == [*range(len(found.names))]
