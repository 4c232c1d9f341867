"""The sample that runs an ONNX file without the package gives what the package gives."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from audited_models import config
from PIL import Image
from random_weights import draw_anew

import acmix
from acmix import workflows
from acmix.workflows.runs import build_model
from acmix.workflows.weights import save_model

FILE = Path(__file__).parents[2] / "export" / "run_onnx.py"
pytestmark = [pytest.mark.onnx, pytest.mark.exhaustive]


@pytest.fixture
def sample():
    pytest.importorskip("onnxruntime")
    spec = importlib.util.spec_from_file_location("run_onnx", FILE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.SCORE = 0.0  # random weights are sure of nothing
    return module


@pytest.fixture
def image(rng, tmp_path):
    """Smooth, so that a place is not decided by rounding, and lying on its side in the file."""
    coarse = rng.integers(0, 256, (5, 7, 3), dtype=np.uint8)
    picture = Image.fromarray(coarse).resize((150, 110), Image.Resampling.BICUBIC)
    exif = Image.Exif()
    exif[0x0112] = 6
    picture.save(tmp_path / "image.png", exif=exif)
    return str(tmp_path / "image.png")


def exported(name, size, rng, folder):
    run = config(name)
    model = draw_anew(build_model(run, 10), rng)
    save_model(model, folder / "net.ckpt")
    file = folder / "net.onnx"
    workflows.export(run, folder / "net.ckpt", file, format="onnx", input_size=size)
    return str(file)


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("resnet26", None),
        ("retinanet_pvt_tiny", (96, 128)),
        ("mask_rcnn_acmix_swin_tiny", (96, 128)),
        ("upernet_acmix_swin_tiny", (96, 128)),
    ],
)
def test_the_sample_predicts_as_the_package(name, size, sample, image, rng, tmp_path):
    file = exported(name, size, rng, tmp_path)
    actual = sample.Network(file).predict(image)
    expected = acmix.load(file).predict(image)
    if name == "resnet26":
        assert actual["classes"] == list(expected.classes)
        np.testing.assert_allclose(actual["probabilities"], expected.probabilities, rtol=1e-4)
    elif "objects" in actual:
        objects = actual["objects"]
        assert len(objects) == len(expected.scores) > 0
        np.testing.assert_allclose([o["score"] for o in objects], expected.scores, rtol=1e-4)
        np.testing.assert_allclose([o["box"] for o in objects], expected.boxes, atol=1e-2)
        pixels = [int(bitmap.sum()) for bitmap in expected.bitmaps()]
        assert [o["pixels"] for o in objects if "pixels" in o] == pytest.approx(pixels, abs=2)
    else:
        shares = {entry["class"]: entry["share"] for entry in actual["classes"]}
        assert shares == pytest.approx(
            {expected.classes[k]: share for k, share in expected.shares()}, abs=1e-3
        )


def test_the_sample_runs_alone(image, rng, tmp_path):
    file = exported("resnet26", None, rng, tmp_path)
    code = (
        "import runpy, sys; sys.modules['mindspore'] = sys.modules['acmix'] = None; "
        f"sys.argv = {['run_onnx.py', file, image]!r}; "
        f"runpy.run_path({str(FILE)!r}, run_name='__main__')"
    )
    command = [sys.executable, "-c", code]
    printed = subprocess.run(command, capture_output=True, text=True, check=True, cwd="/").stdout
    assert json.loads(printed)["image"] == image
