"""Arithmetic against Python's own numbers, one pair after another."""

import math

import numpy as np
import pytest
from calls import Scalar, aclnn, aclop

LEFT = np.array([[-7.5, -2, 0.5], [3, 5.25, 8]], np.float32)
RIGHT = np.array([[2.0], [-3]], np.float32)  # broadcast
POSITIVE = np.abs(LEFT)
BITS, OTHER_BITS = np.array([12, 5, -1], np.int32), np.array([10], np.int32)


def expected(function, left, right, dtype=np.float32):
    """Apply a function of two numbers to arrays that broadcast."""
    pairs = np.broadcast(left, right)
    return np.array([function(a.item(), b.item()) for a, b in pairs], dtype).reshape(pairs.shape)


TENSORS = {
    "aclnnMul": lambda a, b: a * b,
    "aclnnDiv": lambda a, b: a / b,
    "aclnnMaximum": max,
    "aclnnMinimum": min,
    "aclnnFloorDivide": lambda a, b: a // b,
    "aclnnFmodTensor": math.fmod,
    "aclnnRemainderTensorTensor": lambda a, b: a % b,
}
SCALARS = {
    "aclnnMuls": lambda a, b: a * b,
    "aclnnDivs": lambda a, b: a / b,
    "aclnnFloorDivides": lambda a, b: a // b,
    "aclnnFmodScalar": math.fmod,
    "aclnnRemainderTensorScalar": lambda a, b: a % b,
}
TYPES = {
    "Add": lambda a, b: a + b,
    "Sub": lambda a, b: a - b,
    "Mul": lambda a, b: a * b,
    "Div": lambda a, b: a / b,
    "RealDiv": lambda a, b: a / b,
    "FloorDiv": lambda a, b: a // b,
    "FloorMod": lambda a, b: a % b,
    "Mod": math.fmod,
    "Maximum": max,
    "Minimum": min,
    "SquaredDifference": lambda a, b: (a - b) ** 2,
    "DivNoNan": lambda a, b: a / b,
}


@pytest.mark.parametrize("name", TENSORS)
def test_tensors(name):
    out = np.empty((2, 3), np.float32)
    aclnn(name, LEFT, RIGHT, out)
    np.testing.assert_allclose(out, expected(TENSORS[name], LEFT, RIGHT), rtol=1e-6)


@pytest.mark.parametrize("name", SCALARS)
@pytest.mark.parametrize("value", [2.5, -3.0])
def test_scalars(name, value):
    out = np.empty((2, 3), np.float32)
    aclnn(name, LEFT, Scalar(value), out)
    wanted = expected(SCALARS[name], LEFT, np.array(value))
    np.testing.assert_allclose(out, wanted, rtol=1e-6)


@pytest.mark.parametrize("name", TYPES)
def test_types(name):
    out = np.empty((2, 3), np.float32)
    aclop(name, {"x1": LEFT, "x2": RIGHT}, {"y": out})
    np.testing.assert_allclose(out, expected(TYPES[name], LEFT, RIGHT), rtol=1e-6)


@pytest.mark.parametrize(
    ("name", "sign"), [("aclnnAdd", 1), ("aclnnSub", -1), ("aclnnAdds", 1), ("aclnnSubs", -1)]
)
@pytest.mark.parametrize("alpha", [1, 3])
def test_sums_with_a_factor(name, sign, alpha):
    out, other = np.empty((2, 3), np.float32), Scalar(1.5) if name.endswith("s") else RIGHT
    aclnn(name, LEFT, other, Scalar(alpha, np.int64), out)
    right = np.array(1.5) if name.endswith("s") else RIGHT
    np.testing.assert_allclose(out, expected(lambda a, b: a + sign * alpha * b, LEFT, right))


@pytest.mark.parametrize(
    ("name", "function"),
    [
        ("Add", lambda a, b: a + 2 * b),
        ("Sub", lambda a, b: a - 2 * b),
        ("Mul", lambda a, b: a * b),
        ("Div", lambda a, b: a / b),
    ],
)
@pytest.mark.parametrize("is_scalar", [False, True])
def test_in_place(name, function, is_scalar):
    place = LEFT.copy()
    more = [Scalar(2, np.int64)] if name in ("Add", "Sub") else []
    other, right = (Scalar(1.5), np.array(1.5)) if is_scalar else (RIGHT, RIGHT)
    aclnn(f"aclnnInplace{name}{'s' * is_scalar}", place, other, *more)
    np.testing.assert_allclose(place, expected(function, LEFT, right), rtol=1e-6)


@pytest.mark.parametrize("name", ["aclnnDivMod", "aclnnDivMods"])
@pytest.mark.parametrize("mode", [0, 1, 2])
def test_quotients_by_mode(name, mode):
    out = np.empty((2, 3), np.float32)
    other, right = (Scalar(-2.0), np.array(-2.0)) if name.endswith("s") else (RIGHT, RIGHT)
    aclnn(name, LEFT, other, mode, out)
    rounded = [float, math.trunc, math.floor][mode]
    np.testing.assert_allclose(out, expected(lambda a, b: rounded(a / b), LEFT, right), rtol=1e-6)


def test_powers():
    out = np.empty((2, 3), np.float32)
    aclnn("aclnnPowTensorTensor", POSITIVE, RIGHT, out)
    np.testing.assert_allclose(out, expected(math.pow, POSITIVE, RIGHT), rtol=1e-5)
    aclnn("aclnnPowTensorScalar", POSITIVE, Scalar(0.5), out)
    np.testing.assert_allclose(out, expected(lambda a, _: math.sqrt(a), POSITIVE, RIGHT), rtol=1e-6)
    aclnn("aclnnPowScalarTensor", Scalar(2.0), LEFT, out)
    np.testing.assert_allclose(out, expected(lambda a, _: 2.0**a, LEFT, RIGHT), rtol=1e-6)
    aclop("Pow", {"x1": POSITIVE, "x2": RIGHT}, {"y": out})
    np.testing.assert_allclose(out, expected(math.pow, POSITIVE, RIGHT), rtol=1e-5)


def test_remainder_of_a_scalar():
    out = np.empty((2, 3), np.float32)
    aclnn("aclnnRemainderScalarTensor", Scalar(5.0), LEFT, out)
    np.testing.assert_allclose(out, expected(lambda a, _: 5 % a, LEFT, RIGHT), rtol=1e-5)


@pytest.mark.parametrize("name", ["AddN", "AccumulateNV2"])
def test_sum_of_many(name):
    out = np.empty((2, 3), np.float32)
    aclop(name, {"x0": LEFT, "x1": LEFT, "x2": POSITIVE}, {"y": out}, N=3)
    np.testing.assert_allclose(out, expected(lambda a, _: 2 * a + abs(a), LEFT, RIGHT))
    with pytest.raises(AssertionError, match="2 tensors, and N is 3"):
        aclop(name, {"x0": LEFT, "x1": LEFT}, {"y": out}, N=3)


def test_products_and_quotients_to_add():
    out = np.empty((2, 3), np.float32)
    aclnn("aclnnAddcmul", LEFT, RIGHT, POSITIVE, Scalar(0.5), out)
    np.testing.assert_allclose(out, LEFT + expected(lambda a, b: abs(a) * b / 2, LEFT, RIGHT))
    aclnn("aclnnAddcdiv", LEFT, POSITIVE, RIGHT, Scalar(2), out)
    wanted = LEFT + expected(lambda a, b: abs(a) / b * 2, LEFT, RIGHT)
    np.testing.assert_allclose(out, wanted, rtol=1e-6)
    aclnn("aclnnLerp", LEFT, POSITIVE, RIGHT, out)
    wanted = expected(lambda a, b: (1 - b) * a + b * abs(a), LEFT, RIGHT)
    np.testing.assert_allclose(out, wanted, rtol=1e-6)
    aclnn("aclnnLerps", LEFT, POSITIVE, Scalar(0.25), out)
    wanted = expected(lambda a, _: 0.75 * a + 0.25 * abs(a), LEFT, RIGHT)
    np.testing.assert_allclose(out, wanted, rtol=1e-6)


@pytest.mark.parametrize(
    ("name", "function"),
    [
        ("And", lambda a, b: a & b),
        ("Or", lambda a, b: a | b),
        ("Xor", lambda a, b: a ^ b),
    ],
)
def test_bits(name, function):
    wanted = expected(function, BITS, OTHER_BITS, np.int32)
    of_aclnn, of_type = np.empty((2, 3), np.int32)
    aclnn(f"aclnnBitwise{name}Tensor", BITS, OTHER_BITS, of_aclnn)
    aclop(f"Bitwise{name}", {"x1": BITS, "x2": OTHER_BITS}, {"y": of_type})
    assert of_aclnn.tolist() == of_type.tolist() == wanted.tolist()


def test_float16_is_computed_in_float32():
    x = np.array([2048, 60000, 6e-5], np.float16)
    out = np.empty(3, np.float16)
    aclnn("aclnnMul", x, x[:1], out)
    assert out[1] == np.inf
    assert out[2] == np.float16(2048 * np.float32(x[2]))
    aclnn("aclnnAdd", x, x, Scalar(1, np.int64), out)
    assert out.tolist() == [4096, np.inf, np.float16(2 * np.float32(x[2]))]


def test_integers_round_down_and_have_remainders_of_the_divisors_sign():
    x, out = np.array([-7, 7, 8], np.int32), np.empty(3, np.int32)
    aclnn("aclnnFloorDivide", x, np.array(2, np.int32), out)
    assert out.tolist() == [-4, 3, 4]
    aclnn("aclnnRemainderTensorScalar", x, Scalar(-5, np.int64), out)
    assert out.tolist() == [-2, -3, -2]
    aclop("FloorMod", {"x1": x, "x2": np.array([0, 4, 0], np.int32)}, {"y": out})
    assert out.tolist() == [-7, 3, 8]


def test_integers_divided_by_integers_are_floats():
    out = np.empty(3, np.float32)
    aclnn("aclnnDiv", np.array([1, 7, -9], np.int32), np.array(2, np.int32), out)
    assert out.tolist() == [0.5, 3.5, -4.5]


def test_what_cann_does_not_document():
    x, out = np.array([1, 2], np.int32), np.empty(2, np.int32)
    with pytest.raises(AssertionError, match="integers are divided by 0"):
        aclnn("aclnnFloorDivide", x, np.array(0, np.int32), out)
    with pytest.raises(AssertionError, match="the quotient of int32 is not known"):
        aclop("Div", {"x1": x, "x2": x}, {"y": out})


def test_infinities_and_nan():
    x, zero, out = np.array([1, -1, 0], np.float32), np.zeros(1, np.float32), np.empty(3, "f4")
    aclnn("aclnnDiv", x, zero, out)
    assert out[:2].tolist() == [np.inf, -np.inf]
    assert np.isnan(out[2])
    aclnn("aclnnMaximum", x, np.array(np.nan, np.float32), out)
    assert np.isnan(out).all()
    aclop("DivNoNan", {"x1": x, "x2": zero}, {"y": out})
    assert out.tolist() == [0, 0, 0]


def test_views():
    x = np.arange(12, dtype=np.float32).reshape(3, 4)
    out = np.zeros((4, 6), np.float32)
    aclnn("aclnnAdd", x.T, x.T, Scalar(1, np.int64), out[:, ::2])
    assert out[:, ::2].tolist() == [[2 * x[j, i] for j in range(3)] for i in range(4)]
    assert not out[:, 1::2].any()
