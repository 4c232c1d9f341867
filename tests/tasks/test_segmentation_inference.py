"""Sliding windows against mmseg's, several scales and mirrored images against the definition."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from acmix.config import SegmentationDataConfig
from acmix.data import SegmentationPreprocess
from acmix.errors import UserError
from acmix.tasks.segmentation.inference import slide, views
from acmix.tasks.segmentation.label_map import labels_of

GOLDEN = Path(__file__).parents[1] / "golden"


def convolve(maps, weight, bias=None, stride=1):
    """3 x 3 or 1 x 1 convolution of (C, H, W), padded with zeros."""
    size = weight.shape[-1]
    padded = np.pad(maps, ((0, 0), *[(size // 2, size // 2)] * 2))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (size, size), (1, 2))
    out = np.einsum("chwij,ocij->ohw", windows[:, ::stride, ::stride], weight, optimize=True)
    return out if bias is None else out + bias[:, None, None]


def mmseg_network(state):
    """The small network of the golden file."""
    p = {name[2:]: state[name] for name in state.files if name.startswith("p:")}
    bn = {name: p[f"decode_head.convs.0.bn.{name}"][:, None, None]
          for name in ("weight", "bias", "running_mean", "running_var")}  # fmt: skip

    def run(images):
        x = convolve(images[0], p["backbone.conv.weight"], p["backbone.conv.bias"], stride=4)
        x = convolve(np.maximum(x, 0), p["decode_head.convs.0.conv.weight"])
        x = (x - bn["running_mean"]) / np.sqrt(bn["running_var"] + 1e-5) * bn["weight"] + bn["bias"]
        x = np.maximum(x, 0)
        return convolve(x, p["decode_head.conv_seg.weight"], p["decode_head.conv_seg.bias"])[None]

    return run


@pytest.mark.parametrize("name", ["image", "small"])
def test_windows_are_those_of_mmseg(name):
    golden = np.load(GOLDEN / "slide_inference.npz")
    expected = golden["out_logits" if name == "image" else "out_logits_small"]
    found = slide(mmseg_network(golden), golden[f"in_{name}"], (32, 32), (21, 21))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_every_pixel_is_seen_and_windows_have_one_size():
    seen = []

    def run(images):
        seen.append(images.shape[2:])
        return images

    images = np.random.default_rng(0).normal(size=(1, 2, 23, 37)).astype(np.float32)
    np.testing.assert_allclose(slide(run, images, (10, 16), (7, 16)), images, atol=1e-6)
    assert seen == [(10, 16)] * 9


def test_a_stride_with_gaps_is_refused():
    with pytest.raises(UserError, match=r"stride \(11, 5\) must not exceed the window \(10, 10\)"):
        slide(lambda images: images, np.zeros((1, 1, 20, 20)), (10, 10), (11, 5))


def preprocess(**changes):
    config = SegmentationDataConfig(
        short_side=20, long_side=60, mean=(0, 0, 0), std=(1, 1, 1), **changes
    )
    return SegmentationPreprocess.from_config(config)


PIXELS = np.random.default_rng(1).integers(256, size=(17, 26, 3), dtype=np.uint8)
IMAGE = Image.fromarray(PIXELS)


def test_views_have_the_published_sizes_and_their_mirror_images():
    inputs = []

    def run(images):
        inputs.append(images)
        return images

    found = views(run, preprocess(pad_divisor=16), IMAGE, (0.5, 1.0, 1.75), flip=True)
    assert [view.valid for view in found[::2]] == [(10, 15), (20, 31), (35, 54)]
    assert [view.network_size for view in found[::2]] == [(16, 16), (32, 32), (48, 64)]
    assert [view.flipped for view in found] == [False, True] * 3
    for straight, mirrored, view in zip(inputs[::2], inputs[1::2], found[::2], strict=True):
        high, wide = view.valid
        np.testing.assert_array_equal(
            straight[..., :high, :wide], mirrored[..., :high, :wide][..., ::-1]
        )
        assert not mirrored[..., wide:].any()


def test_a_network_that_sees_single_pixels_gives_the_same_labels_mirrored():
    def run(images):
        return images * 10

    single = labels_of(views(run, preprocess(), IMAGE), (17, 26))
    both = labels_of(views(run, preprocess(), IMAGE, flip=True), (17, 26))
    np.testing.assert_array_equal(single, both)
    assert (single == PIXELS.argmax(-1)).mean() > 0.5
