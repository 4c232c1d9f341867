"""Reductions against loops over all indices."""

import itertools
import math

import numpy as np
import pytest
from calls import NUMBERS, aclnn, aclop

RNG = np.random.default_rng(0)
X = RNG.integers(-20, 20, (2, 3, 4)).astype(np.float32) / 4
FLOAT32, FLOAT16, INT64 = (NUMBERS[np.dtype(one)] for one in (np.float32, np.float16, np.int64))
AXES = [[0], [1], [-1], [0, 2], [-2, 0], [0, 1, 2], []]


def looped(function, x, axes, keep):
    """Reduce lists of numbers, gathered index by index; over all axes where none is given."""
    gone = {axis % x.ndim for axis in axes} or set(range(x.ndim))
    lists = {}
    for index in itertools.product(*map(range, x.shape)):
        key = tuple(0 if axis in gone else place for axis, place in enumerate(index))
        lists.setdefault(key, []).append(x[index].item())
    out = np.empty([1 if axis in gone else size for axis, size in enumerate(x.shape)])
    for key, values in lists.items():
        out[key] = function(values)
    return out if keep else out.reshape([s for i, s in enumerate(x.shape) if i not in gone])


def average(values):
    return sum(values) / len(values)


TYPES = {
    "ReduceMax": max,
    "ReduceMean": average,
    "ReduceMin": min,
    "ReduceProd": math.prod,
    "ReduceSum": sum,
}


def check_type(name, function, x, axes, keep, **attributes):
    wanted = looped(function, x, axes, keep)
    out = np.empty(wanted.shape, x.dtype)
    given = {"x": x, "axes": np.array(axes, np.int64)}
    aclop(name, given, {"y": out}, keep_dims=keep, **attributes)
    np.testing.assert_allclose(out, wanted, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", TYPES)
@pytest.mark.parametrize("axes", AXES, ids=str)
@pytest.mark.parametrize("keep", [False, True])
def test_types(name, axes, keep):
    more = {} if axes else {"noop_with_empty_axes": False}
    check_type(name, TYPES[name], X, axes, keep, **more)


@pytest.mark.parametrize(("name", "function"), [("ReduceAll", all), ("ReduceAny", any)])
@pytest.mark.parametrize("axes", AXES, ids=str)
def test_truth_values(name, function, axes):
    check_type(name, function, X > -4.5, axes, True)
    out = np.empty((), bool)
    aclnn(name.replace("Reduce", "aclnn"), X > -4.5, [0, 1, 2], False, out)
    assert out == function(one > -4.5 for one in X.ravel())


@pytest.mark.parametrize("given", ["default", "told"])
def test_no_axes_may_mean_no_reduction(given):
    out, no_axes = np.empty(X.shape, np.float32), np.empty(0, np.int64)
    name = "ReduceMean" if given == "default" else "ReduceSum"
    more = {} if given == "default" else {"noop_with_empty_axes": True}
    aclop(name, {"x": X, "axes": no_axes}, {"y": out}, **more)
    assert out.tolist() == X.tolist()


@pytest.mark.parametrize("axes", AXES, ids=str)
@pytest.mark.parametrize("keep", [False, True])
def test_aclnn(axes, keep):
    wanted = looped(sum, X, axes, keep)
    out = np.empty(wanted.shape, np.float32)
    aclnn("aclnnReduceSum", X, axes, keep, FLOAT32, out)
    np.testing.assert_allclose(out, wanted, rtol=1e-6, atol=1e-6)
    for name, function in [("aclnnAmax", max), ("aclnnAmin", min)]:
        aclnn(name, X, axes, keep, out)
        assert out.tolist() == looped(function, X, axes, keep).tolist()
    aclnn("aclnnMean", X, axes, keep, FLOAT32, out)
    np.testing.assert_allclose(out, looped(average, X, axes, keep), rtol=1e-6, atol=1e-6)


def test_sums_of_other_types():
    whole, out = np.array([2**31 - 1, 1], np.int32), np.empty((), np.int64)
    aclnn("aclnnReduceSum", whole, [0], False, INT64, out)
    assert out == 2**31
    aclnn("aclnnReduceSum", np.array([True, False, True]), [], False, INT64, out)
    assert out == 2
    real = np.empty((), np.float32)
    aclnn("aclnnMean", np.array([1, 2], np.int32), [], False, FLOAT32, real)
    assert real == 1.5


def test_float16_is_summed_in_float32():
    x = np.full((4096, 2), 1.5, np.float16)
    x[0] = 2048  # to which float16 could not add 0.5
    out = np.empty(2, np.float16)
    aclnn("aclnnReduceSum", x, [0], False, FLOAT16, out)
    assert out.tolist() == 2 * [np.float16(2048 + 1.5 * 4095)]
    aclop("ReduceSum", {"x": 24 * x, "axes": np.array([0])}, {"y": out}, keep_dims=False)
    assert out.tolist() == [np.inf, np.inf]
    aclop("ReduceMean", {"x": x, "axes": np.array([0])}, {"y": out}, keep_dims=False)
    assert out.tolist() == 2 * [np.float16(2048 / 4096 + 1.5 * 4095 / 4096)]


def test_a_view():
    out = np.empty(4, np.float32)
    aclnn("aclnnReduceSum", X.T[:, ::2], [1, 2], False, FLOAT32, out)
    np.testing.assert_allclose(out, looped(sum, X[:, ::2], [0, 1], False), rtol=1e-6)


@pytest.mark.parametrize("axis", [0, 1, -1])
@pytest.mark.parametrize("keep", [False, True])
def test_extremes_and_their_first_places(axis, keep):
    x = np.round(X)  # with ties
    for best, value_and_place, place_alone, of_type in [
        (max, "aclnnMaxDim", "aclnnArgMax", "ArgMaxWithValue"),
        (min, "aclnnMinDim", "aclnnArgMin", "ArgMinWithValue"),
    ]:
        values = looped(best, x, [axis], keep)
        places = looped(lambda one, best=best: one.index(best(one)), x, [axis], keep)
        out, place = np.empty(values.shape, np.float32), np.empty(values.shape, np.int64)
        aclnn(value_and_place, x, axis, keep, out, place)
        assert (out.tolist(), place.tolist()) == (values.tolist(), places.tolist())
        aclnn(place_alone, x, axis, keep, place)
        assert place.tolist() == places.tolist()
        out, place = np.zeros_like(out), np.zeros(values.shape, np.int32)
        aclop(of_type, {"x": x}, {"indice": place, "values": out}, dimension=axis, keep_dims=keep)
        assert (out.tolist(), place.tolist()) == (values.tolist(), places.tolist())


def test_place_of_the_largest_of_graphs():
    out = np.empty((2, 4), np.int32)
    aclop("ArgMaxV2", {"x": X, "dimension": np.array(1, np.int32)}, {"y": out}, dtype=3)
    assert out.tolist() == looped(lambda one: one.index(max(one)), X, [1], False).tolist()


def test_nan_is_the_extreme():
    x = np.array([1, np.nan, 3], np.float32)
    value, place = np.empty((), np.float32), np.empty((), np.int64)
    for name in ("aclnnMaxDim", "aclnnMinDim"):
        aclnn(name, x, 0, False, value, place)
        assert np.isnan(value)
        assert place == 1


def test_all_of_a_tensor():
    out = np.empty((), np.float32)
    aclnn("aclnnMax", X, out)
    assert out == max(X.ravel())
    aclnn("aclnnMin", X, out)
    assert out == min(X.ravel())
    aclnn("aclnnProd", X[0] + 6, FLOAT32, out)
    np.testing.assert_allclose(out, math.prod((X[0] + 6).ravel().tolist()), rtol=1e-5)


@pytest.mark.parametrize("keep", [False, True])
def test_products(keep):
    wanted = looped(math.prod, X, [1], keep)
    out = np.empty(wanted.shape, np.float32)
    aclnn("aclnnProdDim", X, -2, keep, FLOAT32, out)
    np.testing.assert_allclose(out, wanted, rtol=1e-5)


@pytest.mark.parametrize(
    ("exclusive", "reverse", "wanted"),
    [
        (False, False, [1, 3, 7, 15]),
        (True, False, [0, 1, 3, 7]),
        (False, True, [15, 14, 12, 8]),
        (True, True, [14, 12, 8, 0]),
    ],
)
def test_running_sums(exclusive, reverse, wanted):
    x, out = np.array([[1], [2], [4], [8]], np.float32), np.empty((4, 1), np.float32)
    given = {"x": x, "axis": np.array(0, np.int32)}
    aclop("Cumsum", given, {"y": out}, exclusive=exclusive, reverse=reverse)
    assert out.ravel().tolist() == wanted
    aclnn("aclnnCumsum", x, -2, FLOAT32, out)
    assert out.ravel().tolist() == [1, 3, 7, 15]
