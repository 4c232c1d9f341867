"""Pools of the software NPU against MindSpore's CPU operators and loops."""

import numpy as np
import pytest
from calls import aclnn, aclop
from mindspore import ops
from oracle import close, gradients, randn, values

KINDS = {"MaxPool": ops.MaxPool, "AvgPool": ops.AvgPool, "AvgPoolD": ops.AvgPool}


def windows(x, kernel, stride, pads, dilation=1, ceil_mode=False):
    """Yield each window's row and column, and the rows and columns of its pixels in an image.

    The first and the last number of ``pads`` are before and after both axes.
    """
    (before, after), reach = pads, dilation * (kernel - 1) + 1
    starts = []
    for size in x.shape[2:]:
        last = size + (after if not ceil_mode else after + stride - 1) - reach
        own = list(range(-before, last + 1, stride))
        starts.append([one for one in own if not ceil_mode or one < size])
    for row, top in enumerate(starts[0]):
        for column, left in enumerate(starts[1]):
            down, right = (
                [p for p in range(start, start + reach, dilation) if 0 <= p < size]
                for start, size in zip((top, left), x.shape[2:], strict=True)
            )
            yield row, column, down, right


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("padding", ["SAME", "VALID"])
@pytest.mark.parametrize(("kernel", "stride"), [(3, 2), (2, 2), (1, 2), (3, 1)])
def test_pools_and_their_gradients(name, padding, kernel, stride):
    function, x = KINDS[name](kernel, stride, padding.lower()), randn(2, 3, 8, 7)
    wanted = values(function, x)
    y, gradient, found = np.zeros_like(wanted), randn(*wanted.shape, seed=1), np.zeros_like(x)
    words = dict(ksize=[1, 1, kernel, kernel], strides=[1, 1, stride, stride], padding=padding)
    aclop(name, {"x": x}, {"y": y}, data_format="NCHW", **words)
    close(y, wanted)
    if name == "MaxPool":
        inputs = {"x1": x, "x2": y, "grad": gradient}
        aclop("MaxPoolGrad", inputs, {"y": found}, data_format="NCHW", **words)
    else:
        inputs = {"orig_input_shape": np.array(x.shape, np.int32), "input_grad": gradient}
        aclop("AvgPoolGrad", inputs, {"out_grad": found}, data_format="NCHW", **words)
    close(found, gradients(function, gradient, x)[0])


def test_the_first_of_equal_maxima_gets_the_gradient():
    x, gradient, found = np.zeros((1, 1, 2, 2)), np.ones((1, 1, 1, 1)), np.zeros((1, 1, 2, 2))
    x, gradient, found = (one.astype(np.float16) for one in (x, gradient, found))
    words = dict(ksize=[1, 1, 2, 2], strides=[1, 1, 2, 2], padding="VALID", data_format="NCHW")
    aclop("MaxPoolGrad", {"x1": x, "x2": gradient, "grad": gradient}, {"y": found}, **words)
    assert found.ravel().tolist() == [1, 0, 0, 0]


def test_a_maximum_of_negative_numbers_beside_pads_of_a_view():
    x = -np.ones((1, 4, 4, 2), np.float32).transpose(0, 3, 1, 2)
    y = np.zeros((1, 2, 2, 2), np.float32)
    words = dict(ksize=[1, 1, 3, 3], strides=[1, 1, 2, 2], padding="SAME", data_format="NCHW")
    aclop("MaxPool", {"x": x}, {"y": y}, **words)
    assert (y == -1).all()


@pytest.mark.parametrize("ceil_mode", [False, True])
@pytest.mark.parametrize("size", [6, 7, 8])
def test_pools_with_pads_as_given(ceil_mode, size):
    x = randn(2, 3, size, size)
    every = list(windows(x, 3, 2, (1, 1), ceil_mode=ceil_mode))
    shape = (2, 3, every[-1][0] + 1, every[-1][1] + 1)
    wanted, mean, whole = (np.zeros(shape, np.float32) for _ in range(3))
    gradient, of_maximum = randn(*shape, seed=1), np.zeros_like(x)
    for row, column, down, right in every:
        part = x[:, :, down][..., right]
        flat = part.reshape(2, 3, -1)
        wanted[..., row, column], mean[..., row, column] = flat.max(-1), flat.mean(-1)
        whole[..., row, column] = flat.sum(-1) / 5
        for image, channel in np.ndindex(2, 3):
            place = int(flat[image, channel].argmax())
            i, j = down[place // len(right)], right[place % len(right)]
            of_maximum[image, channel, i, j] += gradient[image, channel, row, column]

    words = dict(ksize=[1, 1, 3, 3], strides=[1, 1, 2, 2], pads=[1] * 4, ceil_mode=ceil_mode)
    y, found = np.zeros(shape, np.float32), np.zeros_like(x)
    aclop("MaxPoolV3", {"x": x}, {"y": y}, **words)
    close(y, wanted)
    inputs = {"orig_input": x, "orig_output": y, "grad": gradient}
    aclop("MaxPoolV3Grad", inputs, {"out_grad": found}, **words)
    close(found, of_maximum)
    aclop("AvgPoolV2", {"x": x}, {"y": y}, exclusive=True, **words)
    close(y, mean)
    aclop("AvgPoolV2", {"x": x}, {"y": y}, divisor_override=5, **words)
    close(y, whole)

    plain = [3, 3], [2, 2], [1, 1], [1, 1], ceil_mode
    places, mask = np.zeros(shape, np.int32), np.ones((2, 3, 9, 32), np.int8)
    for name, second in (("Indices", places), ("Mask", mask)):
        aclnn(f"aclnnMaxPool2dWith{name}", x, *plain, y, second)
        close(y, wanted)
        found[:] = 0
        aclnn(f"aclnnMaxPool2dWith{name}Backward", gradient, x, second, *plain, found)
        close(found, of_maximum)
    picked = np.take_along_axis(x.reshape(2, 3, -1), places.reshape(2, 3, -1), 2)
    close(picked.reshape(shape), wanted)
    aclnn("aclnnAvgPool2d", x, [3], [2], [1], ceil_mode, False, 0, 0, y)
    close(y, mean)


@pytest.mark.parametrize(("count", "divisor"), [(False, 0), (True, 0), (True, 4)])
def test_means_of_aclnn_and_their_gradient(count, divisor):
    x, y = randn(1, 2, 6, 6), np.zeros((1, 2, 3, 3), np.float32)
    gradient, wanted, back = randn(*y.shape, seed=1), np.zeros_like(y), np.zeros_like(x)
    for row, column, down, right in windows(x, 3, 2, (1, 1)):
        size = divisor or (9 if count else len(down) * len(right))
        wanted[..., row, column] = x[:, :, down][..., right].sum((2, 3)) / size
        for i in down:
            back[:, :, i, right] += gradient[..., row, column, None] / size
    plain = [3, 3], [2, 2], [1, 1], False, count, divisor, 0
    aclnn("aclnnAvgPool2d", x, *plain, y)
    close(y, wanted)
    found = np.zeros_like(x)
    aclnn("aclnnAvgPool2dBackward", gradient, x, *plain, found)
    close(found, back)


def test_a_pool_of_the_whole_image():
    x, y = randn(2, 3, 4, 5), np.zeros((2, 3, 1, 1), np.float32)
    words = dict(ksize=[1, 1, 2, 2], strides=[1, 1, 2, 2], global_pooling=True)
    aclop("AvgPoolV2", {"x": x}, {"y": y}, **words)
    close(y[..., 0, 0], x.reshape(2, 3, 20).mean(-1))


@pytest.mark.parametrize("size", [(3, 4), (1, 1), (8, 7), (5, 3)])
def test_means_of_a_wanted_size_and_their_gradient(size):
    x, y, found = randn(2, 3, 8, 7), np.zeros((2, 3, *size), np.float32), randn(2, 3, 8, 7)
    gradient = randn(*y.shape, seed=1)

    def function(x):
        return ops.adaptive_avg_pool2d(x, size)

    wanted, of_x = values(function, x), gradients(function, gradient, x)[0]
    aclnn("aclnnAdaptiveAvgPool2d", x, list(size), y)
    close(y, wanted)
    aclnn("aclnnAdaptiveAvgPool2dBackward", gradient, x, found)
    close(found, of_x)
    aclop("CustAdaptiveAvgPool2D", {"x": x}, {"y": y}, output_size=list(size))
    close(y, wanted)
    inputs = {"input_grad": gradient, "orig_input_shape": np.array(x.shape)}
    aclop("CustAdaptiveAvgPool2DGrad", inputs, {"output_grad": found})
    close(found, of_x)


def test_windows_as_columns_and_their_gradient():
    x, kernel, dilation, padding, stride = randn(2, 3, 6, 5), [3, 2], [1, 2], [1, 0], [2, 1]
    wanted = np.zeros((2, 3, 6, 3 * 3), np.float32)
    for i, j, row, column in np.ndindex(3, 2, 3, 3):
        down, right = row * 2 + i - 1, column + j * 2
        if 0 <= down < 6:
            wanted[:, :, i * 2 + j, row * 3 + column] = x[:, :, down, right]
    y = np.zeros((2, 18, 9), np.float32)
    aclnn("aclnnIm2col", x, kernel, dilation, padding, stride, y)
    close(y, wanted.reshape(y.shape))
    other = np.zeros_like(wanted)
    words = dict(ksizes=kernel, strides=stride, dilations=dilation, pads=[1, 1, 0, 0])
    aclop("CustIm2col", {"x": x}, {"y": other}, **words)
    close(other, wanted)

    gradient, back, again = randn(*wanted.shape, seed=1), np.zeros_like(x), np.zeros_like(x)
    plain = [6, 5], kernel, dilation, padding, stride
    aclnn("aclnnIm2colBackward", gradient.reshape(y.shape), *plain, back)
    inputs = {"x": gradient, "output_size": np.array([6, 5], np.int32)}
    words = dict(kernel_size=kernel, stride=stride, dilation=dilation, padding=padding)
    aclop("Col2im", inputs, {"y": again}, **words)
    # Both are linear, and one is the other's gradient: <forward(x), g> = <x, backward(g)>.
    for found in (back, again):
        np.testing.assert_allclose((found * x).sum(), (gradient * wanted).sum(), rtol=1e-4)


def test_what_a_pool_cannot_do_is_refused():
    x, y = randn(1, 1, 2, 2), np.zeros((1, 1, 1, 1), np.float32)
    words = dict(ksize=[1, 1, 2, 2], strides=[1, 1, 2, 2], data_format="NCHW")
    with pytest.raises(AssertionError, match="padding FULL is not known"):
        aclop("MaxPool", {"x": x}, {"y": y}, padding="FULL", **words)
    with pytest.raises(AssertionError, match="ceil_mode need padding_mode CALCULATED"):
        aclop("MaxPoolV3", {"x": x}, {"y": y}, padding_mode="SAME", ceil_mode=True, **words)
    with pytest.raises(AssertionError, match="padding_mode SAME is not known"):
        aclop("CustIm2col", {"x": x}, {"y": y}, ksizes=[2, 2], padding_mode="SAME")
