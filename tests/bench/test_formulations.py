"""What is compared computes the same function."""

import numpy as np
import pytest
from mindspore import Tensor

from acmix.bench.formulations import conv_candidates, formulations, local_candidates


@pytest.mark.parametrize(("make", "count"), [(conv_candidates, 1), (local_candidates, 3)])
def test_candidates_agree(make, count, rng):
    inputs = [Tensor(rng.standard_normal((1, 8, 6, 7)).astype(np.float32)) for _ in range(count)]
    first, *others = make(8, 2).values()
    expected = first(*inputs).asnumpy()
    assert np.abs(expected).max() > 0.1
    for network in others:
        np.testing.assert_allclose(network(*inputs).asnumpy(), expected, rtol=1e-4, atol=1e-5)


def test_the_table_names_every_candidate():
    table = formulations(
        batch_size=1, warmup=1, repeats=2, conv_cases=((4, 2, 5),), local_cases=((4, 2, 5),)
    )
    for name in ("fc, group", "folded, group", "folded, block", "unfold", "halo", "whole", "CPU"):
        assert name in table
