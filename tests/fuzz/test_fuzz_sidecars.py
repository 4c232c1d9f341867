"""Any side-car is read or refused with a message, and so is what it says of images."""

import json

import pytest
from damages import answer_or_clear_error, damaged
from hypothesis import given
from hypothesis import strategies as st

from acmix.config import ClassificationConfig, SegmentationConfig
from acmix.data import Preprocess, SegmentationPreprocess
from acmix.errors import UserError
from acmix.export import read_sidecar, sidecar_path
from acmix.tasks import TASKS, get_task

GOOD = {
    "format": "onnx",
    "task": "classification",
    "model": "net",
    "classes": ["cat", "dog"],
    "preprocess": Preprocess.from_config(ClassificationConfig().data).to_dict(),
    "post_process": {},
    "input_name": "images",
    "input_shape": [None, 3, 224, 224],
    "input_dtype": "float32",
    "precision": "float32",
    "versions": {"acmix": "0.1.0"},
    "sha256": "0" * 64,
}
SEGMENTER = {
    **GOOD,
    "task": "segmentation",
    "preprocess": SegmentationPreprocess.from_config(SegmentationConfig().data).to_dict(),
    "post_process": {"output": "labels", "palette": [[0, 0, 0], [9, 9, 255]]},
}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=6,
)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("exported")
    (folder / "net.onnx").write_bytes(b"the network")
    return folder / "net.onnx"


def read(model):
    """Read as ``acmix predict`` does, up to the network."""
    sidecar = read_sidecar(model)
    described = {"preprocess": sidecar.preprocess, "post_process": sidecar.post_process}
    if sidecar.task not in TASKS:
        raise UserError(f"{model}: unknown task")
    get_task(sidecar.task).reader(described, sidecar.classes, sidecar.image_shape, 5)
    return sidecar


def test_the_undamaged_one_is_read(model):
    sidecar_path(model).write_text(json.dumps(GOOD))
    assert read(model).to_json() == json.dumps(GOOD, indent=2) + "\n"


@given(text=damaged(json.dumps(GOOD).encode()) | st.binary(max_size=40))
def test_damaged_text(model, text):
    sidecar_path(model).write_bytes(text)
    answer_or_clear_error(read, model)


@given(key=st.sampled_from(sorted(GOOD)), value=JSON, task=st.sampled_from(sorted(TASKS)))
def test_any_value_of_a_key(model, key, value, task):
    sidecar_path(model).write_text(json.dumps({**GOOD, "task": task, key: value}))
    answer_or_clear_error(read, model)


@given(
    key=st.sampled_from(sorted(GOOD["preprocess"])) | st.text(max_size=4),
    value=JSON,
    task=st.sampled_from(sorted(TASKS)),
    post_process=st.just({}) | st.dictionaries(st.text(max_size=4), JSON, max_size=2),
)
def test_any_transform(model, key, value, task, post_process):
    preprocess = {**GOOD["preprocess"], key: value}
    changed = {**GOOD, "task": task, "preprocess": preprocess, "post_process": post_process}
    sidecar_path(model).write_text(json.dumps(changed))
    answer_or_clear_error(read, model)


@given(output=st.sampled_from(["labels", "logits", "x", None]), palette=JSON, classes=JSON)
def test_any_colours_and_classes_of_a_segmenter(model, output, palette, classes):
    post_process = {"output": output, "palette": palette}
    for changed in ({"post_process": post_process}, {"classes": classes}):
        sidecar_path(model).write_text(json.dumps({**SEGMENTER, **changed}))
        answer_or_clear_error(read, model)
