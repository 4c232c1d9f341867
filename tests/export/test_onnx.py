"""ONNX of every registered network, run by onnxruntime, and of operators its exporter refuses."""

from __future__ import annotations

import math
import re
from functools import partial

import mindspore as ms
import numpy as np
import pytest
from mindspore import Tensor, nn, ops
from models import shrunk
from models.detection.small_detector import small_detector, small_two_stage
from random_weights import draw_anew
from variants import exhaustive

from acmix import create_model
from acmix.errors import UserError
from acmix.export import export_model, fuse, load_exported
from acmix.export.outputs import to_numpy
from acmix.ops.ranking import largest
from acmix.tasks import get_task
from acmix.tasks.detection.objective import DecodedInference, DetectionInference

SIDECAR = {"task": "classification", "model": "m", "classes": "ab", "preprocess": {},
           "post_process": {}}  # fmt: skip
# Field 4 of a node, its operator: tag, length, name.
ERF, SOFTSIGN = b'"\x03Erf', b'"\x08Softsign'


class Gelu(nn.Cell):
    def construct(self, x):
        return ops.gelu(x, approximate="none")


class Softsign(nn.Cell):
    def construct(self, x):
        return ops.softsign(x)


class Divisions(nn.Cell):
    def construct(self, x):
        index = x.astype(ms.int32)
        return index // 3 + (index + 1) // 3


class LargestTwice(nn.Cell):
    def construct(self, x):
        numbers, _ = largest(x, 3)
        _, places = largest(-x, 3)
        return numbers, places.astype(ms.float32)


class Rounded(nn.Cell):
    def construct(self, x):
        return ops.round(x)


class Both(nn.Cell):
    def construct(self, x):
        return ops.softsign(x) + ops.erf(x)


def export(network, path, shape=(2, 3, 4, 4), **changes):
    arguments = {"format": "onnx", "input_shape": shape, "sidecar": SIDECAR, **changes}
    return export_model(network, path, **arguments)


def test_an_error_function_has_its_own_name_in_the_file(tmp_path):
    path = tmp_path / "net.onnx"
    report = export(Gelu(), path, verify=False)
    assert report.operators["Erf"] == 1
    assert path.read_bytes().count(ERF) == 1
    assert SOFTSIGN not in path.read_bytes()


def test_a_genuine_softsign_stays_one(tmp_path):
    path = tmp_path / "net.onnx"
    export(Softsign(), path, verify=False)
    assert path.read_bytes().count(SOFTSIGN) == 1
    assert ERF not in path.read_bytes()


def test_both_in_one_network_are_refused(tmp_path):
    with pytest.raises(UserError, match=r"both Erf and Softsign .* use mindir"):
        export(Both(), tmp_path / "net.onnx")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.onnx
@pytest.mark.parametrize("dynamic_batch", [False, True])
def test_exact_gelu_is_exact(dynamic_batch, rng, tmp_path):
    path = tmp_path / "net.onnx"
    report = export(Gelu(), path, dynamic_batch=dynamic_batch)
    assert report.max_abs_diff < 1e-6
    x = (rng.standard_normal((5 if dynamic_batch else 2, 3, 4, 4)) * 3).astype(np.float32)
    expected = x * np.vectorize(lambda value: 0.5 * (1 + math.erf(value / 2**0.5)))(x)
    assert np.abs(load_exported(path)(x) - expected).max() < 1e-6


def cases(names, quick):
    return exhaustive([(name, fused) for name in names for fused in (False, True)], quick)


# Unfused networks have an error function, the detector too.
QUICK = [("acmix_swin_base", False), ("acmix_san10", True)]


@pytest.mark.onnx
@pytest.mark.parametrize(("name", "fused"), cases(shrunk.representatives(), QUICK))
def test_classifiers_agree_with_onnxruntime(name, fused, rng, tmp_path):
    model = draw_anew(create_model(name, num_classes=5, **shrunk.arguments(name)), rng)
    agrees(model, fuse(model) if fused else model, (1, 3, 48, 48), rng, tmp_path)


BACKBONES = ("resnet26", "acmix_resnet26", "san10", "acmix_san10", "pvt_tiny", "acmix_pvt_tiny",
             "swin_tiny", "acmix_swin_tiny")  # fmt: skip


@pytest.mark.onnx
@pytest.mark.parametrize(("backbone", "fused"), cases(BACKBONES, [("acmix_pvt_tiny", False)]))
def test_detectors_before_suppression_agree_with_onnxruntime(backbone, fused, rng, tmp_path):
    detector = draw_anew(small_detector(backbone), rng)
    form = fuse(detector) if fused else detector
    agrees(DecodedInference(detector), DecodedInference(form), (1, 3, 64, 96), rng, tmp_path)


@pytest.mark.onnx
@pytest.mark.parametrize(
    ("kind", "backbone", "batch"),
    [
        ("mask_rcnn", "resnet26", 1),
        pytest.param("retinanet", "resnet26", 2, marks=pytest.mark.exhaustive),
        pytest.param("mask_rcnn", "acmix_swin_tiny", 2, marks=pytest.mark.exhaustive),
        pytest.param("cascade_mask_rcnn", "resnet26", 2, marks=pytest.mark.exhaustive),
        pytest.param("cascade_mask_rcnn", "acmix_pvt_tiny", 1, marks=pytest.mark.exhaustive),
    ],
)
def test_whole_detectors_agree_with_onnxruntime(kind, backbone, batch, rng, tmp_path):
    make = small_detector if kind == "retinanet" else partial(small_two_stage, kind)
    detector = draw_anew(make(backbone), rng)
    network, form = DetectionInference(detector), DetectionInference(fuse(detector))
    path, shape = tmp_path / "net.onnx", (batch, 3, 64, 96)
    export(form, path, shape, verify=False)
    images = rng.standard_normal(shape).astype(np.float32)
    expected, actual = to_numpy(network(Tensor(images))), load_exported(path)(images)
    assert (expected[2] >= 0).sum(1).min() > 5
    difference = get_task("detection").compare(actual, expected, "float32", "the file")
    assert difference < 2e-3  # pixels


def test_a_constant_that_several_divisions_share_is_cast_once(tmp_path):
    """The exporter repeats the node, which onnxruntime refuses."""
    path = tmp_path / "net.onnx"
    export(Divisions(), path, (1, 1, 2, 4), verify=False)
    casts = re.findall(rb"[0-9A-Za-z/-]+_castCast", path.read_bytes())
    assert len(casts) == len(set(casts)) > 0


@pytest.mark.onnx
def test_numbers_are_rounded_to_whole_ones(tmp_path):
    path = tmp_path / "net.onnx"
    export(Rounded(), path, (1, 1, 1, 4), verify=False)
    numbers = np.array([[[[0.5, 1.5, -2.4, 7.6]]]], np.float32)
    np.testing.assert_array_equal(load_exported(path)(numbers), [[[[0, 2, -2, 8]]]])


@pytest.mark.onnx
def test_counts_of_the_largest_are_numbers_in_the_file(rng, tmp_path):
    """A tensor in the graph, which the exporter does not read; here one for two of them."""
    agrees(LargestTwice(), LargestTwice(), (1, 1, 2, 9), rng, tmp_path)


def agrees(network, form, shape, rng, folder):
    """The file made of ``form`` computes what ``network`` does."""
    path = folder / "net.onnx"
    export(form, path, shape, verify=False)
    images = rng.standard_normal(shape).astype(np.float32)
    expected, actual = network(Tensor(images)), load_exported(path)(images)
    if not isinstance(expected, tuple):
        expected, actual = (expected,), (actual,)
    for theirs, ours in zip(expected, actual, strict=True):
        size = np.abs(theirs.asnumpy()).max()
        assert size > 0.1
        assert np.abs(ours - theirs.asnumpy()).max() < 1e-4 * max(1, size)
