"""COCO's 80 classes out of its 90 category ids, by which torchvision's detectors count."""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np

CATEGORY_IDS, CLASSES = 90, 80
_UNUSED = (12, 26, 29, 30, 45, 66, 68, 69, 71, 83)
_ROWS = re.compile(r"^roi_head\.(bbox_head\.fc_(cls|reg)|mask_head\.conv_logits)\.")


def used_categories(state: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return the state of a Mask R-CNN for category ids 1 to 90 without the ids that COCO skips.

    Args:
        state: arrays by official names, classes along the first axis, the background last.
    """
    used = [id - 1 for id in range(1, CATEGORY_IDS + 1) if id not in _UNUSED]
    chosen = dict(state)
    for name, value in state.items():
        if not _ROWS.search(name):
            continue
        background = value[CATEGORY_IDS:] if ".fc_cls." in name else value[:0]
        classes = value[: len(value) - len(background)]
        each = classes.reshape((CATEGORY_IDS, -1, *value.shape[1:]))[used]
        chosen[name] = np.concatenate([each.reshape((-1, *value.shape[1:])), background])
    return chosen
