"""Functions of one number against Python's, one number after another."""

import math

import numpy as np
import pytest
from calls import aclnn, aclop

SOME = [-2.5, -0.75, 0.5, 1.0, 3.25]
POSITIVE = [0.01, 0.5, 1.0, 7.5]
FUNCTIONS = {
    "Abs": (abs, SOME),
    "Ceil": (math.ceil, SOME),
    "Cos": (math.cos, SOME),
    "Erf": (math.erf, SOME),
    "Erfc": (math.erfc, SOME),
    "Expm1": (math.expm1, [*SOME, 1e-6]),
    "Floor": (math.floor, SOME),
    "Log1p": (math.log1p, [*POSITIVE, -0.5, 1e-6]),
    "Neg": (lambda x: -x, SOME),
    "Reciprocal": (lambda x: 1 / x, SOME),
    "Rsqrt": (lambda x: 1 / math.sqrt(x), POSITIVE),
    "Sigmoid": (lambda x: 1 / (1 + math.exp(-x)), SOME),
    "Sign": (lambda x: (x > 0) - (x < 0), [*SOME, 0.0]),
    "Sin": (math.sin, SOME),
    "Sqrt": (math.sqrt, [*POSITIVE, 0.0]),
    "Tan": (math.tan, SOME),
    "Tanh": (math.tanh, SOME),
    "Exp": (math.exp, SOME),
    "Log": (math.log, POSITIVE),
    "Round": (round, [0.5, 1.5, 2.5, -0.5, -1.5, 2.6]),  # Python too rounds ties to even
}
OF_ACLNN = {
    **FUNCTIONS,
    "Exp2": (lambda x: 2.0**x, SOME),
    "Log10": (math.log10, POSITIVE),
    "Log2": (math.log2, POSITIVE),
    "Trunc": (math.trunc, SOME),
}
OF_TYPES = {
    **FUNCTIONS,
    "Rint": FUNCTIONS["Round"],
    "Square": (lambda x: x**2, SOME),
}


@pytest.mark.parametrize("name", OF_ACLNN)
def test_aclnn(name):
    function, values = OF_ACLNN[name]
    x = np.array(values, np.float32)
    out = np.empty_like(x)
    aclnn(f"aclnn{name}", x, out)
    np.testing.assert_allclose(out, [function(value) for value in x.tolist()], rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("name", OF_TYPES)
def test_types(name):
    function, values = OF_TYPES[name]
    x = np.array(values, np.float32)
    out = np.empty_like(x)
    aclop(name, {"x": x}, {"y": out})
    np.testing.assert_allclose(out, [function(value) for value in x.tolist()], rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize(
    ("name", "x", "wanted"),
    [
        ("Exp", [np.inf, -np.inf, np.nan, 1000], [np.inf, 0, np.nan, np.inf]),
        ("Log", [0, -1, np.inf], [-np.inf, np.nan, np.inf]),
        ("Sqrt", [-1, np.inf], [np.nan, np.inf]),
        ("Rsqrt", [0, np.inf], [np.inf, 0]),
        ("Reciprocal", [0, -np.inf], [np.inf, 0]),
        ("Sigmoid", [-1000, 1000, np.nan], [0, 1, np.nan]),
        ("Abs", [-np.inf, np.nan], [np.inf, np.nan]),
    ],
)
def test_edges(name, x, wanted):
    out = np.empty(len(x), np.float32)
    aclnn(f"aclnn{name}", np.array(x, np.float32), out)
    np.testing.assert_array_equal(out, wanted)


def test_integers():
    x, whole, real = np.array([-3, 0, 4], np.int32), np.empty(3, np.int32), np.empty(3, np.float32)
    aclnn("aclnnAbs", x, whole)
    assert whole.tolist() == [3, 0, 4]
    aclnn("aclnnExp", x, real)
    np.testing.assert_allclose(real, [math.exp(-3), 1, math.exp(4)], rtol=1e-6)


def test_float16_overflows_to_infinity():
    x, out = np.array([12, 1, -12], np.float16), np.empty(3, np.float16)
    aclnn("aclnnExp", x, out)
    assert out.tolist() == [np.inf, np.float16(math.e), np.float16(math.exp(-12))]


def test_a_view():
    x = np.arange(1, 13, dtype=np.float32).reshape(3, 4)
    out = np.empty((2, 3), np.float32)
    aclnn("aclnnSqrt", x[:, 1::2].T, out)
    np.testing.assert_allclose(out, [[math.sqrt(x[j, i]) for j in range(3)] for i in (1, 3)])


def test_exp_and_log_with_attributes():
    x, out = np.array([0.5, 2], np.float32), np.empty(2, np.float32)
    aclop("Exp", {"x": x}, {"y": out}, base=3.0, scale=2.0, shift=-1.0)
    np.testing.assert_allclose(out, [3**0, 3**3], rtol=1e-6)
    aclop("Log", {"x": x}, {"y": out}, base=2.0, scale=4.0, shift=2.0)
    np.testing.assert_allclose(out, [2, math.log2(10)], rtol=1e-6)
    with pytest.raises(AssertionError, match="attributes odd are not known"):
        aclop("Log", {"x": x}, {"y": out}, odd=1)


@pytest.mark.parametrize(
    ("decimals", "wanted"), [(0, [2, 4, -0, 12]), (1, [2.5, 3.5, -0.4, 12.3]), (-1, [0, 0, 0, 10])]
)
def test_rounding_to_decimals(decimals, wanted):
    x, out = np.array([2.5, 3.5, -0.4375, 12.34], np.float32), np.empty(4, np.float32)
    aclnn("aclnnRoundDecimals", x, decimals, out)
    np.testing.assert_allclose(out, wanted, rtol=1e-6)
    aclop("Round", {"x": x}, {"y": out}, decimals=decimals)
    np.testing.assert_allclose(out, wanted, rtol=1e-6)


def test_rounding_integers_to_tens():
    x, out = np.array([14, -26], np.int32), np.empty(2, np.int32)
    aclnn("aclnnRoundDecimals", x, -1, out)
    assert out.tolist() == [10, -30]


def test_replacing_what_is_not_finite():
    x, out = np.array([np.nan, np.inf, -np.inf, 1], np.float32), np.empty(4, np.float32)
    aclnn("aclnnNanToNum", x, 0.5, 9.0, -9.0, out)
    assert out.tolist() == [0.5, 9, -9, 1]


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_all_finite_keeps_what_an_earlier_tensor_had(dtype, bad):
    found, good, worse = np.array(False), np.ones((2, 3), dtype), np.ones((2, 3), dtype)
    worse[1, 2] = bad
    aclnn("aclnnAllFinite", good, found)
    assert not found
    aclnn("aclnnAllFinite", worse, found)
    assert found
    aclnn("aclnnAllFinite", good, found)
    assert found
