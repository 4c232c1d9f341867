"""Convolutions of the software NPU against MindSpore's CPU operators and loops."""

import numpy as np
import pytest
from calls import aclnn, aclop
from mindspore import ops
from oracle import close, gradients, randn, values

CASES = {  # pads are top, bottom, left, right
    "1x1": dict(kernel=1, stride=1, pads=(0, 0, 0, 0), dilation=1),
    "stride": dict(kernel=3, stride=2, pads=(1, 1, 1, 1), dilation=1),
    "uneven": dict(kernel=2, stride=1, pads=(1, 0, 0, 2), dilation=1),
    "dilated": dict(kernel=3, stride=2, pads=(2, 2, 2, 2), dilation=2),
    "left over": dict(kernel=2, stride=4, pads=(0, 0, 0, 0), dilation=1),
}


def cpu(case):
    return ops.Conv2D(
        6, case["kernel"], 1, "pad", case["pads"], case["stride"], case["dilation"], 1
    )


def attributes(case):
    return dict(
        strides=[1, 1, case["stride"], case["stride"]],
        pads=list(case["pads"]),
        dilations=[1, 1, case["dilation"], case["dilation"]],
        groups=1,
        data_format="NCHW",
    )


def operands(case):
    x, weight = randn(2, 4, 7, 6), randn(6, 4, case["kernel"], case["kernel"], seed=1)
    return x, weight


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_convolutions_and_their_gradients(case):
    x, weight = operands(case)
    wanted = values(cpu(case), x, weight)
    y = np.zeros_like(wanted)
    aclop("Conv2D", {"x": x, "filter": weight}, {"y": y}, **attributes(case))
    close(y, wanted)

    gradient = randn(*y.shape, seed=2)
    of_x, of_weight = gradients(cpu(case), gradient, x, weight)
    found = np.zeros_like(x), np.zeros_like(weight)
    shape, shape_of_weight = np.array(x.shape, np.int32), np.array(weight.shape, np.int32)
    inputs = {"input_size": shape, "filter": weight, "out_backprop": gradient}
    aclop("Conv2DBackpropInput", inputs, {"y": found[0]}, **attributes(case))
    close(found[0], of_x)
    inputs = {"x": x, "filter_size": shape_of_weight, "out_backprop": gradient}
    aclop("Conv2DBackpropFilter", inputs, {"y": found[1]}, **attributes(case))
    close(found[1], of_weight)

    back = np.zeros_like(x)  # a transposed convolution is the gradient of a convolution
    inputs = {"input_size": shape, "x": gradient, "filter": weight, "bias": np.ones(4, np.float32)}
    aclop("Conv2DTranspose", inputs, {"y": back}, **attributes(case))
    close(back, of_x + 1)


def test_a_convolution_of_float16_views_with_bias():
    x, weight = randn(2, 7, 6, 4).astype(np.float16).transpose(0, 3, 1, 2), randn(6, 4, 3, 3)
    half, bias = weight.astype(np.float16), np.arange(6, dtype=np.float16)
    case = CASES["stride"]
    wanted = values(cpu(case), *(one.astype(np.float32) for one in (x, half)))
    y = np.zeros(wanted.shape, np.float16)
    aclop("Conv2D", {"x": x, "filter": half, "bias": bias}, {"y": y}, **attributes(case))
    np.testing.assert_array_equal(y, (wanted + bias[:, None, None]).astype(np.float16), strict=True)


def test_padding_goes_before_pads():
    x, weight = operands(CASES["stride"])
    for padding, shape in (("SAME", (4, 3)), ("VALID", (3, 2))):
        wanted = values(ops.Conv2D(6, 3, 1, padding.lower(), stride=2), x, weight)
        y = np.zeros((2, 6, *shape), np.float32)
        words = attributes(CASES["stride"]) | dict(padding=padding, pads=[9, 9, 9, 9])
        aclop("Conv2D", {"x": x, "filter": weight}, {"y": y}, **words)
        close(y, wanted)


@pytest.mark.parametrize(
    ("word", "why"),
    [
        (dict(data_format="NHWC"), "data_format NHWC; only NCHW is known"),
        (dict(strides=[2, 1, 1, 1]), r"windows over batch or channels, \[2, 1, 1, 1\]"),
        (dict(padding="CIRCULAR"), "padding CIRCULAR is not known"),
        (dict(offset_x=1), "offsets of quantised operands are not known"),
        (dict(secret=1), "attributes secret are not known"),
    ],
)
def test_what_a_convolution_cannot_do_is_refused(word, why):
    x, weight = operands(CASES["1x1"])
    y = np.zeros((2, 6, 7, 6), np.float32)
    with pytest.raises(AssertionError, match=why):
        aclop("Conv2D", {"x": x, "filter": weight}, {"y": y}, **attributes(CASES["1x1"]) | word)


@pytest.mark.parametrize("groups", [1, 2, 4])
@pytest.mark.parametrize("transposed", [False, True])
def test_convolutions_of_aclnn_with_groups(groups, transposed):
    pads, strides, dilations = (1, 1, 0, 0), (2, 1), (1, 2)
    few, weight = randn(2, 8, 3, 2), randn(8, 4 // groups, 3, 3, seed=1)  # 8 channels from 4
    function = ops.Conv2D(8, 3, 1, "pad", pads, strides, dilations, groups)
    many = randn(2, 4, 6, 6, seed=2)
    plain = ([2, 1], [1, 0], [1, 2], transposed, [0, 0], groups)
    x, gradient = (few, many) if transposed else (many, few)
    of_many, of_weight = gradients(function, few, many, weight)
    forth = values(function, many, weight)
    bias = np.arange(4 if transposed else 8, dtype=np.float32)

    y, wanted = np.zeros_like(gradient), of_many if transposed else forth
    aclnn("aclnnConvolution", x, weight, bias, *plain, y, 0)
    close(y, wanted + bias[:, None, None])

    found = np.zeros_like(x), np.zeros_like(weight), np.zeros_like(bias)
    mask = [True, True, True]
    aclnn("aclnnConvolutionBackward", gradient, x, weight, [len(bias)], *plain, mask, 0, *found)
    close(found[0], forth if transposed else of_many)
    close(found[1], of_weight)
    close(found[2], gradient.sum((0, 2, 3)))


def test_gradients_that_nobody_asks_for_are_not_written():
    x, weight = randn(1, 2, 3, 3), randn(2, 2, 1, 1)
    found = np.full_like(x, 7), np.zeros_like(weight)
    plain = ([1, 1], [0, 0], [1, 1], False, [0, 0], 1)
    mask = [False, True, False]
    aclnn("aclnnConvolutionBackward", x, x, weight, [2], *plain, mask, 0, *found, None)
    assert (found[0] == 7).all()
    assert found[1].any()


@pytest.mark.parametrize("shape", [(2, 3, 4, 5), (2, 3)])
def test_a_bias_for_each_channel(shape):
    x, bias, y = randn(*shape), randn(3, seed=1), np.zeros(shape, np.float32)
    aclop("BiasAdd", {"x": x, "bias": bias}, {"y": y}, data_format="NCHW")
    close(y, values(ops.BiasAdd(), x, bias))
    total = np.zeros(3, np.float32)
    aclop("BiasAddGrad", {"x": x}, {"y": total}, data_format="NCHW")
    close(total, gradients(ops.BiasAdd(), x, x, bias)[1])


def test_a_bias_for_the_last_axis():
    x, bias, y = randn(2, 4, 5, 3), randn(3, seed=1), np.zeros((2, 4, 5, 3), np.float32)
    aclop("BiasAdd", {"x": x, "bias": bias}, {"y": y}, data_format="NHWC")
    close(y[1, 2, 3], x[1, 2, 3] + bias)
