"""The feature pyramid, against loops over its definition."""

from pathlib import Path

import numpy as np
import pytest
from mindspore import Tensor

from acmix.errors import UserError
from acmix.models.fpn import FPN, level_strides
from acmix.utils.parameters import set_value

SIZES = ((11, 13), (6, 7), (3, 4))  # odd: a coarse map's pixels cover less than two at the end


def maps_of(rng, channels):
    return [
        rng.standard_normal((2, count, *size)).astype(np.float32)
        for count, size in zip(channels, SIZES, strict=True)
    ]


def take_pixel_and_channel(conv, rng):
    """Make a 3x3 convolution a 1x1 one; return the matrix and the bias."""
    out_channels, in_channels, size, _ = conv.weight.shape
    weight = np.zeros(conv.weight.shape, np.float32)
    matrix = rng.standard_normal((out_channels, in_channels)).astype(np.float32)
    weight[:, :, size // 2, size // 2] = matrix
    bias = rng.standard_normal(out_channels).astype(np.float32)
    set_value(conv.weight, weight)
    set_value(conv.bias, bias)
    return lambda x: np.einsum("oc,bchw->bohw", matrix, x) + bias[:, None, None]


def enlarged(x, height, width):
    out = np.empty((*x.shape[:2], height, width), x.dtype)
    for i in range(height):
        for j in range(width):
            out[:, :, i, j] = x[:, :, i * x.shape[2] // height, j * x.shape[3] // width]
    return out


@pytest.mark.parametrize("extra_levels", ["input", "output"])
def test_levels_are_merged_downwards_and_continued_upwards(extra_levels, mode, rng):
    channels = (3, 4, 5)
    fpn = FPN(channels, channels=6, num_levels=5, extra_levels=extra_levels)
    maps = maps_of(rng, channels)
    lateral = [take_pixel_and_channel(conv, rng) for conv in fpn.lateral_convs]
    output = [take_pixel_and_channel(conv, rng) for conv in fpn.fpn_convs]
    extra = [take_pixel_and_channel(conv, rng) for conv in fpn.extra_convs]

    merged = [lateral[2](maps[2])]
    for i in (1, 0):
        merged.insert(0, lateral[i](maps[i]) + enlarged(merged[0], *SIZES[i]))
    expected = [convolve(x) for convolve, x in zip(output, merged, strict=True)]
    x = maps[2] if extra_levels == "input" else expected[2]
    for convolve in extra:  # no ReLU in between: negative values live on
        x = convolve(x[:, :, ::2, ::2])
        expected.append(x)

    levels = fpn(tuple(map(Tensor, maps)))
    assert len(levels) == 5
    for level, truth in zip(levels, expected, strict=True):
        np.testing.assert_allclose(level.asnumpy(), truth, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("num_levels", [3, 4, 7])
def test_every_level_beyond_the_backbones_is_half_of_the_one_before(num_levels, rng):
    fpn = FPN((2, 2, 2), channels=4, num_levels=num_levels)
    levels = fpn(tuple(map(Tensor, maps_of(rng, (2, 2, 2)))))
    sizes = [*SIZES, (2, 2), (1, 1), (1, 1), (1, 1)]
    assert [level.shape for level in levels] == [(2, 4, *size) for size in sizes[:num_levels]]


def test_parameters_are_those_of_mmdetection():
    """Three lateral 1x1, three 3x3 and two extra 3x3 convolutions, all with bias."""
    fpn = FPN((512, 1024, 2048))
    count = sum(parameter.size for parameter in fpn.get_parameters())
    square = 256 * 256 * 9 + 256
    assert count == (512 + 1024 + 2048 + 3) * 256 + 4 * square + (2048 * 256 * 9 + 256)


def test_weights_start_as_xavier_and_biases_as_zero():
    fpn = FPN((96, 64), channels=32, num_levels=3)
    for conv in (*fpn.lateral_convs, *fpn.fpn_convs, *fpn.extra_convs):
        out_channels, in_channels, size, _ = conv.weight.shape
        bound = (6 / ((in_channels + out_channels) * size**2)) ** 0.5
        weight = conv.weight.asnumpy()
        assert np.abs(weight).max() <= bound
        assert weight.std() == pytest.approx(bound / 3**0.5, rel=0.06)
        np.testing.assert_array_equal(conv.bias.asnumpy(), 0)


def test_strides_double():
    assert level_strides((8, 16, 32), 5) == (8, 16, 32, 64, 128)
    assert level_strides((4,), 1) == (4,)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: FPN((8, 8), num_levels=1), "num_levels=1 must be at least the backbone's 2"),
        (lambda: FPN(()), "num_levels"),
        (lambda: FPN((8,), extra_levels="inputs"), "Did you mean 'input'"),
        (lambda: level_strides((8, 8), 3), "fine to coarse|falling size"),
    ],
)
def test_bad_arguments_are_explained(make, message):
    with pytest.raises(UserError, match=message):
        make()


def test_pooled_levels_are_mmdets(mode):
    with np.load(Path(__file__).parents[1] / "golden" / "fpn_pool.npz") as file:
        golden = dict(file)
    fpn = FPN((6, 12, 24, 48), channels=8, num_levels=5, extra_levels="pool")
    for name in ("lateral_convs", "fpn_convs"):
        for i, conv in enumerate(getattr(fpn, name)):
            set_value(conv.weight, golden[f"p:{name}.{i}.conv.weight"])
            set_value(conv.bias, golden[f"p:{name}.{i}.conv.bias"])
    levels = fpn(tuple(Tensor(golden[f"in_map{i}"]) for i in range(4)))
    for i, level in enumerate(levels):
        np.testing.assert_allclose(level.asnumpy(), golden[f"out_level{i}"], atol=1e-5)
    assert not [p.name for p in fpn.get_parameters() if p.name.startswith("extra")]
