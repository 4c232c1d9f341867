"""Comparisons, truth values and choices against Python's, one number after another."""

import math
import operator

import numpy as np
import pytest
from calls import Scalar, aclnn, aclop

LEFT = np.array([[-2, 0, 3], [1, np.nan, np.inf]], np.float32)
RIGHT = np.array([[0], [1]], np.float32)
NAMES = {
    "Eq": ("Equal", operator.eq),
    "Ne": ("NotEqual", operator.ne),
    "Gt": ("Greater", operator.gt),
    "Ge": ("GreaterEqual", operator.ge),
    "Lt": ("Less", operator.lt),
    "Le": ("LessEqual", operator.le),
}
LOGIC = {
    "And": lambda a, b: bool(a) and bool(b),
    "Or": lambda a, b: bool(a) or bool(b),
    "Xor": lambda a, b: bool(a) != bool(b),
}


def pairs(function, left, right):
    return [
        [function(left[i, j].item(), right[i, 0].item()) for j in range(left.shape[1])]
        for i in range(len(left))
    ]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_comparisons(name, dtype):
    of_type, function = NAMES[name]
    left, right = LEFT.astype(dtype), RIGHT.astype(dtype)
    out = np.empty((2, 3), bool)
    aclnn(f"aclnn{name}Tensor", left, right, out)
    assert out.tolist() == pairs(function, left, right)
    aclnn(f"aclnn{name}Scalar", left, Scalar(1, np.int64), out)
    assert out.tolist() == pairs(function, left, np.ones((2, 1)))
    aclop(of_type, {"x1": left, "x2": right}, {"y": out})
    assert out.tolist() == pairs(function, left, right)


def test_integers_with_floats():
    x, out = np.array([[1, 2, 3]], np.int32), np.empty((1, 3), bool)
    aclnn("aclnnGtTensor", x, np.array(1.5, np.float32), out)
    assert out.tolist() == [[False, True, True]]
    aclnn("aclnnGtScalar", x, Scalar(2.5), out)
    assert out.tolist() == [[False, False, True]]


@pytest.mark.parametrize("name", LOGIC)
@pytest.mark.parametrize("dtype", [bool, np.float32, np.int32])
def test_truth_values(name, dtype):
    left = np.array([[0, 1, 2], [1, 0, 0]]).astype(dtype)
    right, out = np.array([[0], [3]]).astype(dtype), np.empty((2, 3), bool)
    aclnn(f"aclnnLogical{name}", left, right, out)
    assert out.tolist() == pairs(LOGIC[name], left, right)
    if name != "Xor":
        aclop(f"Logical{name}", {"x1": left, "x2": right}, {"y": out})
        assert out.tolist() == pairs(LOGIC[name], left, right)


@pytest.mark.parametrize(
    ("name", "function"),
    [
        ("IsFinite", math.isfinite),
        ("IsInf", math.isinf),
        ("LogicalNot", lambda x: not x),
        ("IsNan", math.isnan),
    ],
)
def test_of_one(name, function):
    x = np.array([0, 1, -np.inf, np.inf, np.nan], np.float32)
    out = np.empty(5, bool)
    aclop(name, {"x": x}, {"y": out})
    assert out.tolist() == [function(one) for one in x]
    if name != "IsNan":
        out[:] = False
        aclnn(f"aclnn{name}", x, out)
        assert out.tolist() == [function(one) for one in x]


def test_choices():
    condition = np.array([[True], [False]])
    other, out = np.array(7, np.float32), np.empty((2, 3), np.float32)
    wanted = [LEFT[0].tolist(), [7, 7, 7]]
    aclnn("aclnnSWhere", condition, LEFT, other, out)
    assert out.tolist() == wanted
    whole = np.full((2, 3), 7, np.float32)
    aclop("Select", {"condition": condition, "x1": LEFT, "x2": whole}, {"y": out})
    assert out.tolist() == wanted
    aclop("SelectV2", {"condition": condition, "then": LEFT, "else": other}, {"result": out})
    assert out.tolist() == wanted


def test_a_choice_keeps_nan_where_it_is_not_chosen():
    out = np.empty((2, 3), np.float32)
    aclnn("aclnnSWhere", np.isfinite(LEFT), LEFT, np.zeros_like(LEFT), out)
    assert out.tolist() == [[-2, 0, 3], [1, 0, 0]]


@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.int32])
def test_masked_fill(dtype):
    x, mask = np.arange(6).reshape(2, 3).astype(dtype), np.array([True, False, True])
    wanted, out = [[9, 1, 9], [9, 4, 9]], np.empty((2, 3), dtype)
    aclop("MaskedFill", {"x": x, "mask": mask, "value": np.array(9, dtype)}, {"y": out})
    assert out.tolist() == wanted
    place = x.copy()
    aclnn("aclnnInplaceMaskedFillTensor", place, mask, np.array(9, dtype))
    assert place.tolist() == wanted
    place = x.copy()
    aclnn("aclnnInplaceMaskedFillScalar", place, mask, Scalar(9))
    assert place.tolist() == wanted


def test_clamps():
    x, out = np.array([-3, 0.25, 5, np.nan], np.float32), np.empty(4, np.float32)
    low, high = np.array(-1, np.float32), np.array(2, np.float32)
    wanted = [-1, 0.25, 2, np.nan]
    aclnn("aclnnClamp", x, Scalar(-1), Scalar(2), out)
    np.testing.assert_array_equal(out, wanted)
    aclnn("aclnnClampTensor", x, low, high, out)
    np.testing.assert_array_equal(out, wanted)
    for name in ("ClipByValue", "ClipByValueV2"):
        out[:] = 0
        aclop(name, {"x": x, "clip_value_min": low, "clip_value_max": high}, {"y": out})
        np.testing.assert_array_equal(out, wanted)
    aclnn("aclnnClamp", x, None, Scalar(2), out)
    np.testing.assert_array_equal(out, [-3, 0.25, 2, np.nan])
    aclnn("aclnnClampMin", x, Scalar(0), out)
    np.testing.assert_array_equal(out, [0, 0.25, 5, np.nan])
