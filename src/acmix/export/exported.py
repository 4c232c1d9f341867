"""`Exported`: the Cell that is compiled for a file."""

from __future__ import annotations

import mindspore as ms
from mindspore import Tensor, nn


class Exported(nn.Cell):
    """Wraps a network in a new Cell with float32 outputs.

    MindSpore caches the compiled graph per Cell. After a switch to evaluation or float16, it would
    export the old graph. A new Cell has no cached graph.
    """

    def __init__(self, network: nn.Cell):
        super().__init__(auto_prefix=False)
        self.network = network
        self.set_train(False)

    def construct(self, images: Tensor) -> Tensor | tuple[Tensor, ...]:
        """Map images (B, C, H, W) to the network's outputs, in float32."""
        outputs = self.network(images)
        if isinstance(outputs, tuple):
            converted: tuple[Tensor, ...] = ()
            for output in outputs:
                converted += (_float32(output),)
            return converted
        return _float32(outputs)


def _float32(output: Tensor) -> Tensor:
    if output.dtype == ms.float16:
        return output.astype(ms.float32)
    return output
