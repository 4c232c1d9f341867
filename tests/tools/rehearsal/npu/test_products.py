"""Products of the software NPU against sums over loops' indices, and their edges."""

import numpy as np
import pytest
from calls import Scalar, aclnn, aclop
from mindspore import ops
from oracle import close, randn, values


def product(a, b):
    """Return a @ b of matrices, number by number."""
    rows = [[sum(x * y for x, y in zip(row, column, strict=True)) for column in b.T] for row in a]
    return np.array(rows, np.float32)


@pytest.mark.parametrize("name", ["aclnnMatmul", "aclnnMm"])
def test_a_product_of_matrices_one_of_them_a_view(name):
    a, b, y = randn(3, 4), randn(5, 4, seed=1).T, np.zeros((3, 5), np.float32)
    aclnn(name, a, b, y, 0)
    close(y, product(a, b))


@pytest.mark.parametrize("name", ["aclnnMatmul", "aclnnBatchMatMul"])
def test_leading_axes_are_batches(name):
    a, b, y = randn(2, 3, 4), randn(2, 4, 5, seed=1), np.zeros((2, 3, 5), np.float32)
    aclnn(name, a, b, y, 1)
    close(y, np.stack([product(*pair) for pair in zip(a, b, strict=True)]))


def test_a_batch_by_one_matrix_broadcasts():
    a, b, y = randn(2, 3, 4), randn(4, 5), np.zeros((2, 3, 5), np.float32)
    aclnn("aclnnMatmul", a, b, y, 0)
    close(y, np.stack([product(one, b) for one in a]))


def test_sums_of_float16_are_float32():
    a, b = np.full((1, 4096), 0.25, np.float16), np.ones((4096, 1), np.float16)
    a[0, 0] = 1000  # in float16, 1000 + 0.25 + 0.25 + ... stays at 1000
    y = np.zeros((1, 1), np.float16)
    aclnn("aclnnMm", a, b, y, 0)
    assert y == np.float16(1000 + 4095 * 0.25)


def test_a_product_beyond_float16_is_infinite():
    y = np.zeros((1, 1), np.float16)
    aclnn("aclnnMm", np.full((1, 2), 300, np.float16), np.full((2, 1), 300, np.float16), y, 0)
    assert np.isposinf(y)


def test_vectors():
    a, v = randn(3, 4), randn(4, seed=1)
    y, dot = np.zeros(3, np.float32), np.zeros((), np.float32)
    aclnn("aclnnMv", a, v, y, 0)
    close(y, product(a, v[:, None])[:, 0])
    aclnn("aclnnDot", v, a[0], dot)
    close(dot, np.float32(sum(v * a[0])))


@pytest.mark.parametrize("name", ["aclnnAddmm", "aclnnBaddbmm", "aclnnAddmv"])
def test_a_product_added_to_what_broadcasts(name):
    batch = (2,) if name == "aclnnBaddbmm" else ()
    a = randn(*batch, 3, 4)
    b = randn(4, seed=1) if name == "aclnnAddmv" else randn(*batch, 4, 5, seed=1)
    plain = values(ops.matmul, a, b)
    x, y = randn(plain.shape[-1], seed=2), np.zeros_like(plain)
    scales = [0.5, 2.0] if name != "aclnnAddmv" else [2.0, 0.5]  # alpha goes first there
    aclnn(name, x, a, b, *map(Scalar, scales), y, 0)
    close(y, 0.5 * x + 2 * plain)


def test_what_is_added_times_zero_may_be_nan():
    y = np.zeros((1, 1), np.float32)
    x, one = np.full((1, 1), np.nan, np.float32), np.ones((1, 1), np.float32)
    aclnn("aclnnAddmm", x, one, one, Scalar(0, np.int64), Scalar(3, np.int64), y, 0)
    assert y == 3


@pytest.mark.parametrize("name", ["MatMul", "MatMulV2", "BatchMatMul", "BatchMatMulV2"])
@pytest.mark.parametrize("first", [False, True])
@pytest.mark.parametrize("second", [False, True])
def test_operators_transpose(name, first, second):
    batch = (2,) if name.startswith("Batch") else ()
    a = randn(*batch, *((4, 3) if first else (3, 4)))
    b = randn(*batch, *((5, 4) if second else (4, 5)), seed=1)
    words = ("adj_x1", "adj_x2") if batch else ("transpose_x1", "transpose_x2")
    y = np.zeros((*batch, 3, 5), np.float32)
    aclop(name, {"x1": a, "x2": b}, {"y": y}, **dict(zip(words, (first, second), strict=True)))
    plain = [
        product(i.T if first else i, j.T if second else j)
        for i, j in (zip(a, b, strict=True) if batch else [(a, b)])
    ]
    close(y, np.stack(plain) if batch else plain[0])


@pytest.mark.parametrize("name", ["MatMul", "MatMulV2", "BatchMatMulV2"])
def test_operators_add_a_bias(name):
    a, b, bias, y = randn(2, 3), randn(3, 4), randn(4, seed=3), np.zeros((2, 4), np.float32)
    aclop(name, {"x1": a, "x2": b, "bias": bias}, {"y": y})
    close(y, product(a, b) + bias)


def test_quantised_operands_are_refused():
    a, y = randn(2, 2), np.zeros((2, 2), np.float32)
    with pytest.raises(AssertionError, match="MatMulV2: offsets of quantised operands"):
        aclop("MatMulV2", {"x1": a, "x2": a}, {"y": y}, offset_x=3)
