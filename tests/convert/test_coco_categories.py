"""COCO's classes out of its category ids, in files with odd shapes."""

import numpy as np
import pytest

from acmix.convert.coco import used_categories


@pytest.mark.parametrize("shape", [(), (0,), (0, 5), (4, 5), (89, 5), (92, 5), (361, 5)])
@pytest.mark.parametrize("layer", ["bbox_head.fc_cls", "bbox_head.fc_reg", "mask_head.conv_logits"])
def test_arrays_with_other_rows_stay(layer, shape):
    state = {f"roi_head.{layer}.weight": np.zeros(shape, np.float32)}
    assert used_categories(state)[f"roi_head.{layer}.weight"].shape == shape


def test_other_layers_stay():
    state = {"roi_head.bbox_head.shared_fcs.0.bias": np.zeros(90, np.float32)}
    assert used_categories(state)["roi_head.bbox_head.shared_fcs.0.bias"].shape == (90,)
