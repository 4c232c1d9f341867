"""The C++ sample computes what the package and its twin in Python compute.

MindSpore Lite and OpenCV's C++ library are not needed: `run_lite_parts.cc` is the sample without
them. It is compiled once, with the JSON header of MindSpore's wheel.
"""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import mindspore
import numpy as np
import pytest
from PIL import Image

from acmix.data import DetectionPreprocess, Preprocess, SegmentationPreprocess

ROOT = Path(__file__).parents[2]
HEADERS = Path(mindspore.__file__).parent / "include" / "third_party"
pytestmark = [
    pytest.mark.skipif(shutil.which("g++") is None, reason="no g++"),
    pytest.mark.skipif(
        not (HEADERS / "nlohmann" / "json.hpp").is_file(),
        reason="MindSpore's wheel has no json.hpp",
    ),
]
STATISTICS = {
    1: {"channels": 1, "mean": (0.13,), "std": (0.31,)},
    3: {"channels": 3, "mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)},
}


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    target = tmp_path_factory.mktemp("run_lite") / "run_lite_parts"
    source = Path(__file__).with_name("run_lite_parts.cc")
    warnings = ("-Wall", "-Wextra", "-Werror")
    includes = (f"-I{ROOT / 'export'}", "-isystem", str(HEADERS))
    subprocess.run(
        ["g++", "-std=c++17", "-O0", *warnings, *includes, str(source), "-o", str(target)],
        check=True,
    )
    return target


@pytest.fixture
def twin(monkeypatch):
    """The sample in Python, of which no network is run."""
    monkeypatch.setitem(sys.modules, "onnxruntime", ModuleType("onnxruntime"))
    spec = importlib.util.spec_from_file_location("run_onnx", ROOT / "export" / "run_onnx.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def run(program, tmp_path):
    """Run the program on an image and outputs; the input of the network and the printed line."""

    def run(about, image, *outputs):
        network = tmp_path / "net.mindir"
        Path(f"{network}.json").write_text(json.dumps(about), encoding="utf-8")
        files = [tmp_path / f"output{i}" for i in range(len(outputs))]
        for file, output in zip(files, outputs, strict=True):
            header = " ".join(map(str, output.shape)) + "\n"
            file.write_bytes(header.encode() + output.astype(np.float32).tobytes())
        image.save(tmp_path / "image.ppm")
        command = [program, network, tmp_path / "image.ppm", tmp_path / "input", *files]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        values = np.fromfile(tmp_path / "input", np.float32)
        line = json.loads(done.stdout) if outputs else None
        return values.reshape(about["input_shape"][1:]), line

    return run


def picture(rng, width, height, channels=3):
    pixels = rng.integers(0, 256, (height, width, channels), dtype=np.uint8)
    return Image.fromarray(pixels.squeeze())


def sidecar(task, preprocess, shape):
    return {
        "task": task,
        "classes": ["猫", 'a "dog"', "bird"],
        "preprocess": preprocess.to_dict(),
        "input_shape": [None, preprocess.channels, *shape],
        "input_dtype": "float32",
    }


def detector():
    return DetectionPreprocess(
        short_side=40, long_side=64, shapes=((48, 64),), interpolation="bilinear", **STATISTICS[3]
    )


def segmenter():
    return SegmentationPreprocess(
        short_side=40, long_side=90, size_divisor=16, pad_divisor=1,
        interpolation="nearest", **STATISTICS[3],
    )  # fmt: skip


# --- what goes into the network -------------------------------------------------------------------


def smooth(rng, width, height, channels=3):
    """A picture in which rounding between two filters changes a pixel by one step at most."""
    return picture(rng, 5, 7, channels).resize((width, height), Image.Resampling.BILINEAR)


def rows_first(image, box, size, interpolation):
    """Pillow's bits, first along rows and then along columns; Pillow may choose another order."""
    left, top, right, bottom = box
    filter = Image.Resampling[interpolation.upper()]
    narrow = image.resize((size[0], image.height), filter, box=(left, 0, right, image.height))
    return narrow.resize(size, filter, box=(0, top, size[0], bottom))


@pytest.mark.parametrize("interpolation", ["nearest", "bilinear", "bicubic", "lanczos"])
@pytest.mark.parametrize("size", [(167, 101), (13, 101)], ids=["reduced", "enlarged"])
@pytest.mark.parametrize("channels", [1, 3])
def test_resizing_gives_the_bits_of_pillow(interpolation, size, channels, rng, run):
    preprocess = Preprocess(
        image_size=32, crop_pct=0.875, interpolation=interpolation, **STATISTICS[channels]
    )
    image = picture(rng, *size, channels)
    actual, _ = run(sidecar("classification", preprocess, (32, 32)), image)
    half = min(size) * 0.875 / 2
    box = (size[0] / 2 - half, size[1] / 2 - half, size[0] / 2 + half, size[1] / 2 + half)
    expected = rows_first(image, box, (32, 32), interpolation)
    np.testing.assert_array_equal(actual, preprocess.normalise(expected))


@pytest.mark.parametrize("size", [(150, 110), (110, 150), (30, 20)])  # the second is reduced again
@pytest.mark.parametrize("task", ["classification", "detection", "segmentation"])
def test_networks_see_what_the_package_shows_them(task, size, rng, run):
    image = smooth(rng, *size)
    if task == "classification":
        preprocess = Preprocess(
            image_size=48, crop_pct=0.9, interpolation="bicubic", **STATISTICS[3]
        )
        shape, expected = (48, 48), preprocess.transform(image)
    else:
        preprocess = detector() if task == "detection" else segmenter()
        shape = (48, 64) if task == "detection" else (48, 80)
        expected, _ = preprocess.transform(image, shape)
    actual, _ = run(sidecar(task, preprocess, shape), image)
    step = 1 / 255 / min(STATISTICS[3]["std"])
    np.testing.assert_allclose(actual, expected, atol=1.01 * step, rtol=0)
    assert np.mean(actual == expected) > 0.9


# --- what comes out of it -------------------------------------------------------------------------


def test_classes_are_ranked_as_in_python(rng, run, twin):
    preprocess = Preprocess(image_size=8, crop_pct=1, interpolation="bilinear", **STATISTICS[3])
    about, image = sidecar("classification", preprocess, (8, 8)), picture(rng, 9, 9)
    logits = rng.normal(0, 3, 7).astype(np.float32)
    logits[[2, 5]] = 9  # equal: the first class comes first
    _, line = run(about, image, logits)
    expected = twin.ranked([logits], None, image, about)
    assert line["classes"] == expected["classes"]
    assert line["classes"][:2] == ["bird", "class 5"]
    np.testing.assert_allclose(line["probabilities"], expected["probabilities"], rtol=1e-12)


@pytest.mark.parametrize("masked", [False, True])
def test_objects_are_found_as_in_python(masked, rng, run, twin):
    about, image = sidecar("detection", detector(), (48, 64)), picture(rng, 150, 110)
    corners = rng.uniform(-20, 60, (8, 2)).astype(np.float32)
    boxes = np.concatenate([corners, corners + rng.uniform(1, 50, (8, 2))], 1).astype(np.float32)
    boxes[3, 2] = boxes[3, 0]  # empty
    scores = np.array([0.9, 0.3, 0.29, 0.5, 0.8, 0.7, 0.6, 0.4], np.float32)
    labels = np.array([0, 1, 2, 3, -1, 2, 1, 0])
    outputs = [boxes, scores, labels]
    if masked:
        outputs.append(rng.uniform(0, 1, (8, 14, 14)).astype(np.float32))
    _, line = run(about, image, *outputs)
    _, scale = twin.fitted(image, about["preprocess"], [48, 64])
    expected = twin.found(outputs, scale, image, about)["objects"]
    assert len(expected) == 6
    for actual, wanted in zip(line["objects"], expected, strict=True):
        assert list(actual) == list(wanted)
        assert actual["class"] == wanted["class"]
        np.testing.assert_allclose(actual["score"], wanted["score"], rtol=1e-6)
        np.testing.assert_allclose(actual["box"], wanted["box"], rtol=1e-6)
        assert actual.get("pixels", 0) == pytest.approx(wanted.get("pixels", 0), abs=2)


def test_shares_are_counted_as_in_python(rng, run, twin):
    about, image = sidecar("segmentation", segmenter(), (48, 80)), picture(rng, 150, 110)
    labels = rng.integers(0, 5, (48, 80))
    _, line = run(about, image, labels)
    _, valid = twin.stretched(image, about["preprocess"], [48, 80])
    assert line == twin.label_shares([labels], valid, image, about)


# --- a side-car that is wrong ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (None, "cannot be read"),
        ({"task": "poetry"}, "'poetry'"),
        ({"input_shape": [1, 3, 8]}, "'input_shape'"),
        ({"input_shape": [None, 3, 9, 8]}, "'image_size' and 'input_shape'"),
        ({"classes": None}, "type must be array"),
        ({"preprocess": {}}, "'mean'"),
    ],
)
def test_a_wrong_sidecar_is_named(change, message, rng, program, tmp_path):
    preprocess = Preprocess(image_size=8, crop_pct=1, interpolation="bilinear", **STATISTICS[3])
    network = tmp_path / "net.mindir"
    if change is not None:
        content = {**sidecar("classification", preprocess, (8, 8)), **change}
        Path(f"{network}.json").write_text(json.dumps(content), encoding="utf-8")
    picture(rng, 9, 9).save(tmp_path / "image.ppm")
    command = [program, network, tmp_path / "image.ppm", tmp_path / "input"]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 1
    assert message in done.stderr
