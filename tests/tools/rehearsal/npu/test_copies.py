"""Casts, assignments and constants, by numbers written out."""

import numpy as np
import pytest
from calls import NUMBERS, Scalar, aclnn, aclop
from mindspore import Tensor

BFLOAT16 = 27
TYPES = [np.float32, np.float16, np.float64, np.int8, np.uint8, np.int32, np.int64, np.bool_]


def cast(x, dtype):
    """Cast by both APIs, which must agree."""
    number = NUMBERS[np.dtype(dtype)]
    of_aclnn, of_type = np.zeros(x.shape, dtype), np.zeros(x.shape, dtype)
    aclnn("aclnnCast", x, number, of_aclnn)
    aclop("Cast", {"x": x}, {"y": of_type}, dst_type=number)
    np.testing.assert_array_equal(of_aclnn, of_type)
    return of_aclnn


@pytest.mark.parametrize("source", TYPES)
@pytest.mark.parametrize("target", TYPES)
def test_numbers_that_both_types_hold(source, target):
    x = np.array([[0, 1], [1, 0]]).astype(source)
    assert cast(x, target).tolist() == [[0, 1], [1, 0]]


def test_floats_to_integers_are_rounded_towards_zero():
    x = np.array([1.75, -1.75, 0.5, -0.5, 3e-9], np.float32)
    assert cast(x, np.int32).tolist() == [1, -1, 0, 0, 0]
    assert cast(x.astype(np.float16), np.int32).tolist() == [1, -1, 0, 0, 0]


@pytest.mark.parametrize("target", [np.int8, np.uint8, np.int16, np.int32, np.int64])
@pytest.mark.parametrize("source", [np.float32, np.float64])
def test_floats_beyond_integers_become_the_nearest(source, target):
    x = np.array([1e30, -1e30, np.inf, -np.inf, np.nan], source)
    largest, least = np.iinfo(target).max, np.iinfo(target).min
    assert cast(x, target).tolist() == [largest, least, largest, least, 0]


def test_large_floats_stay_exact():
    x = np.array([2.0**62, -(2.0**63), 2.0**53 + 2], np.float64)
    assert cast(x, np.int64).tolist() == [2**62, -(2**63), 2**53 + 2]


def test_integers_to_narrower_ones_keep_their_lowest_bits():
    x = np.array([257, -1, 2**31 + 5], np.int64)
    assert cast(x, np.uint8).tolist() == [1, 255, 5]
    assert cast(x, np.int32).tolist() == [257, -1, -(2**31) + 5]


def test_whatever_is_not_zero_is_true():
    x = np.array([0, -0.0, 0.25, np.nan, -np.inf], np.float32)
    assert cast(x, np.bool_).tolist() == [False, False, True, True, True]
    assert cast(np.array([256, 0], np.int32), np.bool_).tolist() == [True, False]


def test_float16():
    x = np.array([65519, 65520, -1e6, 1e-8, 2049, 2051, np.nan], np.float32)
    wanted = [65504, np.inf, -np.inf, 0, 2048, 2052, np.nan]  # ties to even
    np.testing.assert_array_equal(cast(x, np.float16), wanted)


@pytest.mark.parametrize("numbers", [[1, -2.5, 3.14159, 1e38, np.inf], 3.14159])
def test_bfloat16(numbers):
    from calls import tensor

    from acmix.tools.rehearsal.npu import calls as npu_calls

    x = np.array(numbers, np.float32)
    bits = np.zeros(x.shape, np.uint16)
    words = [tensor(x), BFLOAT16, {**tensor(bits), "dtype": BFLOAT16}]
    npu_calls.aclnn({"op": "aclnnCast", "args": words, "reals": []})
    wanted = Tensor(x).bfloat16().float().asnumpy()
    back = np.empty(x.shape, np.float32)
    words = [{**tensor(bits), "dtype": BFLOAT16}, NUMBERS[back.dtype], tensor(back)]
    npu_calls.aclnn({"op": "aclnnCast", "args": words, "reals": []})
    assert back.tolist() == wanted.tolist()


def test_a_view_is_cast_to_a_view():
    x, out = np.arange(6, dtype=np.float32).reshape(2, 3) + 0.5, np.full((3, 4), -1, np.int32)
    aclnn("aclnnCast", x.T, NUMBERS[out.dtype], out[:, ::2])
    assert out.tolist() == [[0, -1, 3, -1], [1, -1, 4, -1], [2, -1, 5, -1]]


def test_assignments():
    for name, key, wanted in [
        ("Assign", "ref", [5, 6]),
        ("AssignAdd", "ref", [6, 8]),
        ("AssignSub", "var", [-4, -4]),
    ]:
        place = np.array([1, 2], np.float32)
        aclop(name, {key: place, "value": np.array([5, 6], np.float32)}, {key: place})
        assert place.tolist() == wanted
    one = np.array([3], np.int32)
    aclop("Assign", {"ref": one, "value": np.array(8, np.int32)}, {"ref": one})
    assert one.tolist() == [8]


def test_moves():
    x, out = np.array([1, 2], np.float16), np.empty(2, np.float16)
    aclop("TensorMove", {"x": x}, {"y": out})
    assert out.tolist() == [1, 2]


def test_a_copy_takes_the_type_and_the_shape_of_its_target():
    place = np.zeros((2, 4), np.int32)
    aclnn("aclnnInplaceCopy", place[:, ::2], np.array([1.75, -3.5], np.float32))
    assert place.tolist() == [[1, 0, -3, 0], [1, 0, -3, 0]]


@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.int32, np.bool_])
def test_constants(dtype):
    x, out = np.ones((2, 2), dtype), np.ones((2, 2), dtype)
    aclop("ZerosLike", {"x": x}, {"y": out})
    assert not out.any()
    aclop("OnesLike", {"x": x}, {"y": out})
    assert out.tolist() == [[1, 1], [1, 1]]
    aclnn("aclnnInplaceZero", x)
    assert not x.any()
    aclnn("aclnnInplaceOne", x)
    assert x.tolist() == [[1, 1], [1, 1]]
    aclnn("aclnnInplaceFillScalar", x, Scalar(0, np.int64))
    assert not x.any()
    aclnn("aclnnInplaceFillTensor", x, np.array(1, dtype))
    assert x.tolist() == [[1, 1], [1, 1]]
    aclop("Fill", {"dims": np.array([2, 2]), "value": np.zeros(1, dtype)}, {"y": out})
    assert not out.any()
    aclop("Fills", {"x": x}, {"y": out}, value=1.0)
    assert out.tolist() == [[1, 1], [1, 1]]


def test_sequences():
    whole, real = np.empty(4, np.int32), np.empty(3, np.float32)
    aclnn("aclnnArange", Scalar(3, np.int64), Scalar(-9, np.int64), Scalar(-3, np.int64), whole)
    assert whole.tolist() == [3, 0, -3, -6]
    aclnn("aclnnArange", Scalar(0.5), Scalar(2), Scalar(0.5), real)
    assert real.tolist() == [0.5, 1, 1.5]
    ends = {"start": 1, "limit": 8, "delta": 2}
    aclop("Range", {key: np.array(value, np.int32) for key, value in ends.items()}, {"y": whole})
    assert whole.tolist() == [1, 3, 5, 7]
