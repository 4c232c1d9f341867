"""Outputs of small networks with fixed weights on one device, for a comparison of devices.

Run as ``python -m acmix.tools.ascend_check.forward DEVICE FILE.npz``: a process has one device.
"""

from __future__ import annotations

import sys
from typing import Any

import mindspore as ms
import numpy as np

from acmix.config import RuntimeConfig
from acmix.environment import set_device
from acmix.models import create_model
from acmix.utils.parameters import set_value

NETWORKS: dict[str, tuple[str, dict[str, Any]]] = {
    "acmix_resnet": ("acmix_resnet26", {"width": 16, "depths": (1, 1, 1, 1)}),
    "acmix_swin": (
        "acmix_swin_tiny",
        {"embed_dim": 32, "depths": (2, 2), "num_heads": (2, 4), "window_size": 4},
    ),
}
"""Networks with local and shifted window attention; the convolution path depends on the device."""


def outputs(device: str) -> dict[str, np.ndarray]:
    """Return the logits of each network; weights and images are equal on every device."""
    set_device(RuntimeConfig(device=device))  # type: ignore[arg-type]  # checked by its section
    found = {}
    for label, (name, arguments) in NETWORKS.items():
        rng = np.random.default_rng(0)
        network = create_model(name, num_classes=10, **arguments).set_train(False)
        for parameter in network.get_parameters():
            spread = rng.normal(0, 0.1, parameter.shape)
            # Similar to trained weights: scales and variances near one, else small numbers.
            near_one = parameter.name.endswith(("gamma", "variance"))
            set_value(parameter, spread + 1 if near_one else spread)
        images = rng.standard_normal((2, 3, 64, 96)).astype(np.float32)
        found[label] = network(ms.Tensor(images)).asnumpy()
    return found


if __name__ == "__main__":
    np.savez(sys.argv[2], **outputs(sys.argv[1]))
