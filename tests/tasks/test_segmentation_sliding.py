"""Sliding windows against mmseg's and against the definition."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from acmix.errors import UserError
from acmix.tasks.segmentation.sliding import slide

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
