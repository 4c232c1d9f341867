"""A side-car is untrusted: every way it can be wrong is a clear error."""

from __future__ import annotations

import json

import numpy as np
import pytest
from mindspore import nn

from acmix.config import ClassificationConfig, DetectionConfig
from acmix.data import Preprocess
from acmix.data.detection_preprocess import DetectionPreprocess
from acmix.errors import UserError
from acmix.export import export_model, load_exported, read_sidecar, sidecar_path
from acmix.export.outputs import check_numbers


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    path = tmp_path_factory.mktemp("export") / "net.mindir"
    sidecar = {
        "task": "classification",
        "model": "relu",
        "classes": [],
        "preprocess": {},
        "post_process": {},
    }
    export_model(nn.ReLU(), path, format="mindir", input_shape=(1, 3, 2, 2), sidecar=sidecar)
    return path


@pytest.fixture
def copy(exported, tmp_path):
    path = tmp_path / "net.mindir"
    path.write_bytes(exported.read_bytes())
    sidecar_path(path).write_bytes(sidecar_path(exported).read_bytes())
    return path


def change(path, **changes):
    content = json.loads(sidecar_path(path).read_text())
    sidecar_path(path).write_text(json.dumps({**content, **changes}))


KEYS = (
    "format model classes preprocess input_name input_shape input_dtype precision versions sha256"
)


@pytest.mark.parametrize("key", KEYS.split())
def test_a_missing_key_is_named(copy, key):
    content = json.loads(sidecar_path(copy).read_text())
    del content[key]
    sidecar_path(copy).write_text(json.dumps(content))
    with pytest.raises(UserError, match=f"no '{key}'"):
        load_exported(copy)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("format", "exe"),
        ("format", ["mindir"]),
        ("model", 3),
        ("classes", "cat"),
        ("classes", [1, 2]),
        ("preprocess", None),
        ("task", ""),
        ("post_process", []),
        ("input_shape", []),
        ("input_shape", [1, 3, 2]),
        ("input_shape", [None, 3, 2**16, 2**16]),
        ("input_shape", [2**22, 1, 8, 8]),
        ("input_shape", [64, 3, 1333, 1333]),
        ("input_shape", [10**400, 3, 2, 2]),
        ("input_shape", ["0x1", 3, 2, 2]),
        ("input_shape", [1, None, 2, 2]),
        ("input_shape", [1, 3, 2, -2]),
        ("input_shape", [1, 3, 2, True]),
        ("input_shape", [1, 3, 2, 2.0]),
        ("input_dtype", "object"),
        ("precision", "int8"),
        ("versions", {"acmix": 1}),
        ("sha256", "xyz"),
        ("sha256", "A" * 64),
    ],
)
def test_an_invalid_value_is_named_with_its_key(copy, key, value):
    change(copy, **{key: value})
    with pytest.raises(UserError, match=f"'{key}' must be"):
        load_exported(copy)


def test_a_long_value_is_shortened_in_the_message(copy):
    change(copy, model=list(range(1000)))
    with pytest.raises(UserError) as caught:
        read_sidecar(copy)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"\xff\xfe\x00", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"[]", "JSON object"),
        (b" " * (16 * 2**20 + 1), "more than 16777216"),
        (b'{"input_shape": 0x10}', "not JSON"),
        (b'{"input_shape": NaN}', "NaN is no number of JSON"),
        (b'{"input_shape": -Infinity}', "-Infinity is no number of JSON"),
        (b'{"input_shape": 1' + 5000 * b"0" + b"}", "not JSON: Exceeds the limit"),
    ],
    ids=["empty", "cut", "binary", "deep", "list", "huge", "hexadecimal", "nan", "inf", "digits"],
)
def test_a_file_that_is_not_a_side_car_is_refused(copy, text, said):
    sidecar_path(copy).write_bytes(text)
    with pytest.raises(UserError, match=said):
        load_exported(copy)


def test_unknown_keys_of_a_later_version_are_ignored(copy):
    change(copy, colour="blue")
    assert load_exported(copy).sidecar.model == "relu"


def test_missing_files_are_named(copy):
    sidecar_path(copy).unlink()
    with pytest.raises(UserError, match=r"net\.mindir\.json does not exist"):
        load_exported(copy)
    with pytest.raises(UserError, match=r"no\.mindir does not exist"):
        load_exported(copy.parent / "no.mindir")


def test_another_model_file_than_described_is_refused(copy):
    content = bytearray(copy.read_bytes())
    content[len(content) // 2] ^= 1
    copy.write_bytes(content)
    with pytest.raises(UserError, match="sha256 differs"):
        load_exported(copy)


def test_a_described_file_that_is_no_mindir_is_refused(copy):
    import hashlib

    copy.write_bytes(b"junk")
    change(copy, sha256=hashlib.sha256(b"junk").hexdigest())
    with pytest.raises(UserError, match="is not a MindIR file"):
        load_exported(copy)


TRANSFORMS = [
    Preprocess.from_config(ClassificationConfig().data),
    DetectionPreprocess.from_config(DetectionConfig().data),
]


@pytest.mark.parametrize("transform", TRANSFORMS, ids=["classification", "detection"])
@pytest.mark.parametrize(
    ("key", "value"),
    [("std", 0), ("std", 1e-45), ("std", 1e300), ("std", None), ("mean", 1e300), ("mean", "0x1")],
)
def test_a_transform_that_would_give_nan_is_refused(transform, key, value):
    with pytest.raises(UserError, match=rf"preprocess\.{key}"):
        type(transform).from_dict({**transform.to_dict(), key: [value] * 3})


def test_outputs_that_are_no_numbers_are_refused():
    for outputs in (np.array([1, np.nan]), (np.ones(2), np.array([np.inf]))):
        with pytest.raises(UserError, match=r"cat\.png: the network's outputs are NaN or infinite"):
            check_numbers("cat.png", outputs)
    check_numbers("cat.png", np.ones(2))


def test_air_cannot_be_run_here(copy):
    change(copy, format="air")
    with pytest.raises(UserError, match="AIR"):
        load_exported(copy)
