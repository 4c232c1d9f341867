"""Values reach compiled functions; everything that does not fit is listed at once."""

import mindspore as ms
import numpy as np
import pytest
from mindspore import Parameter, Tensor, ops

from acmix.errors import UserError
from acmix.utils.parameters import get_value, load_values, set_value


def parameter(value, name="w"):
    return Parameter(Tensor(value, ms.float32), name=name)


def test_set_value_reaches_a_function_compiled_before_and_after(mode):
    weight = parameter([1.0, 1.0])

    def add(x):
        ops.assign_add(weight, x)
        return weight * 1

    add = ms.jit(add) if mode == "graph" else add
    one = Tensor([1.0, 1.0], ms.float32)
    add(one)
    set_value(weight, np.array([5.0, 7.0]))
    np.testing.assert_array_equal(add(one).asnumpy(), [6.0, 8.0])
    np.testing.assert_array_equal(weight.asnumpy(), [6.0, 8.0])


def test_get_value_is_a_copy():
    weight = parameter([1.0])
    value = get_value(weight)
    set_value(weight, np.array([2.0]))
    assert value == 1.0


def test_all_misfits_are_listed_in_one_error_and_nothing_is_set():
    parameters = {name: parameter(np.zeros(2), name) for name in ("a", "b", "c", "d")}
    values = {"a": np.ones(2), "b": np.ones(3), "x": np.ones(1), "y": np.ones(1)}
    with pytest.raises(UserError) as error:
        load_values(parameters, values, "file.ckpt")
    assert str(error.value) == (
        "file.ckpt does not fit. Tensors missing: c, d; unexpected: x, y; "
        "of another shape: b ((3,) instead of (2,))."
    )
    assert (parameters["a"].asnumpy() == 0).all()


def test_values_are_cast_to_the_parameters_dtype():
    parameters = {"a": parameter(np.zeros(2))}
    load_values(parameters, {"a": np.array([1, 2], np.float16)}, "file")
    assert parameters["a"].dtype == ms.float32
    assert parameters["a"].asnumpy().tolist() == [1.0, 2.0]
