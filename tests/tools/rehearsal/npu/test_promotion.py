"""The common type of operands, by cases from CANN's table of promotions."""

import numpy as np
import pytest
from calls import Scalar, aclnn

from acmix.tools.rehearsal.npu.promotion import common


@pytest.mark.parametrize(
    ("left", "right", "wanted"),
    [
        (np.int32, np.float32, np.float32),  # NumPy says float64
        (np.int64, np.float32, np.float32),
        (np.float32, np.float64, np.float64),
        (np.int32, np.int64, np.int64),
        (np.bool_, np.int32, np.int32),
        (np.bool_, np.float32, np.float32),
        (np.uint8, np.int8, np.int16),
        (np.float32, float, np.float32),
        (np.float64, float, np.float64),
        (np.int32, int, np.int32),
        (np.int32, float, np.float32),
        (np.bool_, bool, np.bool_),
        (np.bool_, int, np.int64),
        (np.bool_, float, np.float32),
    ],
)
def test_the_common_type(left, right, wanted):
    other = right(1) if right in (float, int, bool) else np.ones(2, right)
    for operands in ((np.ones(2, left), other), (other, np.ones(2, left))):
        assert {one.dtype for one in common(*operands)} == {np.dtype(wanted)}


@pytest.mark.parametrize("shape", [(), (2,)])
def test_a_whole_float_scalar_stays_a_float(shape):
    x, out = np.full(shape, 4, np.int32), np.empty(shape, np.float32)
    aclnn("aclnnPowTensorScalar", x, Scalar(-1.0), out)  # an integer has no such power
    assert (out == 0.25).all()
