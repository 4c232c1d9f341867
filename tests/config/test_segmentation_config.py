"""The configuration of segmentation: defaults of the public recipes, rules between keys."""

from __future__ import annotations

import pytest

from acmix.config import SegmentationConfig, SegmentationDataConfig, load_config
from acmix.errors import UserError


def test_defaults_are_those_of_the_public_recipes():
    config = load_config(None, ["task=segmentation", "model.name=pvt_tiny"])
    assert isinstance(config, SegmentationConfig)
    assert config.network_name == "semantic_fpn_pvt_tiny"
    data = config.data
    assert (data.name, data.short_side, data.long_side, data.crop_size) == (
        "ade20k",
        512,
        2048,
        512,
    )
    assert (data.resize_ratio, data.cat_max_ratio, data.hflip) == ((0.5, 2.0), 0.75, 0.5)
    assert (data.interpolation, data.eval_batch_size, data.pad_divisor) == ("bilinear", 1, 1)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"short_side": 600, "long_side": 512}, "data.short_side=600 must not exceed data.long_"),
        ({"resize_ratio": (2.0, 0.5)}, r"data.resize_ratio must be \[low, high\]"),
        ({"resize_ratio": (1.0, 17.0)}, "high <= 16, got"),
        ({"eval_batch_size": 2}, "data.eval_batch_size=2 must be 1"),
        ({"cat_max_ratio": 0.0}, "data.cat_max_ratio must be a number > 0"),
        ({"name": "coco"}, "data.name must be one of 'label_shapes'"),
    ],
)
def test_what_cannot_work_is_refused_by_key(changes, message):
    with pytest.raises(UserError, match=message):
        SegmentationDataConfig(**changes)


def test_a_data_set_of_another_task_is_refused():
    with pytest.raises(UserError, match=r"cannot be learned from data\.name=ade20k"):
        load_config(None, ["task=detection", "data.name=ade20k"])
