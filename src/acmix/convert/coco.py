"""COCO's 80 classes out of its 90 category ids, by which torchvision's detectors count."""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np

CATEGORY_IDS, CLASSES = 90, 80
_UNUSED = (12, 26, 29, 30, 45, 66, 68, 69, 71, 83)
_LAYER = re.compile(r"^roi_head\.(bbox_head\.fc_cls|bbox_head\.fc_reg|mask_head\.conv_logits)\.")
_ROWS = {
    "bbox_head.fc_cls": CATEGORY_IDS + 1,
    "bbox_head.fc_reg": 4 * CATEGORY_IDS,
    "mask_head.conv_logits": CATEGORY_IDS,
}


def used_categories(state: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return the state of a Mask R-CNN for category ids 1 to 90 without the ids that COCO skips.

    Args:
        state: arrays by official names, classes along the first axis, the background last. Those
            with another number of rows, which fit no such network, stay.
    """
    used = [id - 1 for id in range(1, CATEGORY_IDS + 1) if id not in _UNUSED]
    chosen = dict(state)
    for name, value in state.items():
        layer = _LAYER.search(name)
        if layer is None or not value.ndim or len(value) != _ROWS[layer[1]]:
            continue
        classes, background = np.split(value, [len(value) // CATEGORY_IDS * CATEGORY_IDS])
        each = np.stack(np.split(classes, CATEGORY_IDS))[used]
        chosen[name] = np.concatenate([*each, background])
    return chosen
