"""Heads and small networks of mmsegmentation: weights, inputs, outputs (tests/golden)."""

from __future__ import annotations

import re
from types import SimpleNamespace

import numpy as np
from mindspore import Tensor, nn

from acmix.convert import load_torch_state
from acmix.models.segmentation import Segmenter, create_segmenter
from acmix.utils.parameters import set_value


def maps_of(golden: SimpleNamespace) -> tuple[Tensor, ...]:
    return tuple(Tensor(vars(golden)[f"in_map{i}"]) for i in range(4))


_NAMES = (
    (r"^classifier\.", ""),
    (r"^pooling\.convs\.(\d)\.", r"psp_modules.\1.1."),
    (r"^pooling\.", ""),
    (r"^(scale_heads\.\d)\.(\d)\.", lambda match: f"{match[1]}.{2 * int(match[2])}."),
    (r"^conv\.", "convs.0."),
    (r"gamma$", "weight"),
    (r"beta$", "bias"),
    (r"moving_variance$", "running_var"),
    (r"moving_", "running_"),
)


def load_head(head: nn.Cell, state: dict[str, np.ndarray]) -> nn.Cell:
    """Set a head's parameters, each from one tensor, without the converter; for evaluation."""
    state = {name: value for name, value in state.items() if "num_batches" not in name}
    for own, parameter in head.parameters_and_names():
        if not own.endswith("random_state"):
            name = own
            for pattern, replacement in _NAMES:
                name = re.sub(pattern, replacement, name)
            set_value(parameter, state.pop(name))
    assert not state
    return head.set_train(False)


def small_network(name: str, golden: SimpleNamespace, **body) -> Segmenter:
    """Return the network of a golden file with its weights, for evaluation."""
    arguments = dict(golden.meta["backbone"])
    if name == "semantic_fpn_pvt":
        arguments = {k: v for k, v in arguments.items() if k not in ("patch_size", "qkv_bias")}
        arguments["image_size"] = arguments.pop("img_size")
        own = {"neck_channels": golden.meta["neck_channels"], "channels": golden.meta["channels"]}
    else:
        arguments["mask_padding"] = False
        own = {
            "channels": golden.meta["channels"],
            "auxiliary_channels": golden.meta["auxiliary_channels"],
        }
    network = create_segmenter(f"{name}_tiny", 6, arguments | body, **own)
    load_torch_state(network, golden.state)
    return network.set_train(False)
