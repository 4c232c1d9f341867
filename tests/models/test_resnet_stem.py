"""ResNets without pooling in the stem, for small images."""

import numpy as np
import pytest
from mindspore import Tensor, ops

from acmix.models import create_model

SMALL = {"width": 8, "depths": (1, 1), "image_size": 32}


@pytest.mark.parametrize(
    ("name", "mixer"),
    [("acmix_resnet26", "acmix"), ("resnet26", "conv"), ("botnet50", ("conv", "relative"))],
)
def test_without_pooling_all_maps_have_twice_the_sides(name, mixer, rng):
    model = create_model(name, stem_pool=False, features_only=True, mixer=mixer, **SMALL)
    maps = model.set_train(False)(Tensor(rng.standard_normal((2, 3, 32, 32)).astype(np.float32)))
    assert [stage.reduction for stage in model.feature_info] == [2, 4]
    assert [each.shape for each in maps] == [(2, 32, 16, 16), (2, 64, 8, 8)]


def test_pooling_the_stem_is_all_that_differs(rng):
    pooled, plain = (
        create_model("resnet26", stem_pool=pool, num_classes=5, **SMALL) for pool in (True, False)
    )
    shapes = [[(p.name, p.shape) for p in model.get_parameters()] for model in (pooled, plain)]
    assert shapes[0] == shapes[1]
    for ours, theirs in zip(plain.get_parameters(), pooled.get_parameters(), strict=True):
        ours.set_data(theirs.value())
    x = Tensor(rng.standard_normal((2, 3, 30, 34)).astype(np.float32))
    expected = ops.max_pool2d(plain.set_train(False).stem(x), 3, 2, 1)
    np.testing.assert_array_equal(pooled.set_train(False).stem(x).asnumpy(), expected.asnumpy())
