"""LR-Net: a bottleneck network of local relation layers in place of all k x k convolutions.

Hu et al., "Local Relation Networks for Image Recognition", ICCV 2019 (arXiv:1904.11491). No network
was released. Our reading, where the paper leaves it open:

* the first ones have 104 channels where the paper says 100: a multiple of the 8 that share weights;
* the 1x1 convolution behind the aggregation belongs to every layer, and LR-Net-26 has two blocks a
  stage: so the parameters are those published within 0.5 %;
* pixels beyond the border take no part, as in the authors' code of the layer.
"""

from __future__ import annotations

from collections.abc import Sequence

from mindspore import Tensor, nn

from acmix.errors import check
from acmix.layers.blocks import batch_norm, conv
from acmix.layers.local_relation import LocalRelationConv
from acmix.models.residual import Place, ResidualNetwork


class LRNet(ResidualNetwork):
    """A local relation network.

    Args:
        depths: blocks per stage.
        widths: channels of the local relation layers per stage, multiples of ``share``. The output
            of stage i has ``4 * stem_width * 2^i`` channels.
        num_classes: outputs of the classifier, 0 for pooled features.
        in_channels: channels of the images.
        stem_width: channels of the first local relation layer, a multiple of ``share``.
        kernel_size: k.
        share: channels that share their weights.
        drop_path_rate: of the last block; grows linearly from 0.
        features_only, out_indices: see :class:`Backbone <acmix.models.Backbone>`.

    Shape:
        (B, in_channels, H, W) to (B, num_classes); any H and W of at least 1.
    """

    fold_norm_into_previous = (("conv1", "bn1"), ("conv2", "bn2"))

    def __init__(
        self,
        depths: Sequence[int] = (3, 4, 6, 3),
        widths: Sequence[int] = (104, 200, 400, 800),
        num_classes: int = 1000,
        in_channels: int = 3,
        stem_width: int = 64,
        kernel_size: int = 7,
        share: int = 8,
        drop_path_rate: float = 0.0,
        features_only: bool = False,
        out_indices: Sequence[int] | None = None,
    ):
        super().__init__()
        check(
            len(depths) == len(widths),
            f"depths and widths must be equally long, got {depths} and {widths}.",
        )

        def make_mixer(place: Place) -> nn.Cell:
            return LocalRelationConv(place.channels, kernel_size, share, place.stride)

        self.conv1 = conv(in_channels, stem_width, 1)
        self.bn1 = batch_norm(stem_width)
        self.conv2 = LocalRelationConv(stem_width, kernel_size, share, 2)
        self.bn2 = batch_norm(stem_width)
        self.relu = nn.ReLU()
        self.maxpool = nn.MaxPool2d(3, 2, pad_mode="valid")
        wide = [4 * stem_width * 2**index for index in range(len(depths))]
        info = self.make_stages(
            make_mixer, depths, stem_width, 4, drop_path_rate, widths, out_channels=wide
        )
        self.finish(info, num_classes, features_only, out_indices)

    def stem(self, x: Tensor) -> Tensor:
        """Reduce (B, in_channels, H, W) to (B, stem_width, H / 4, W / 4)."""
        x = self.relu(self.bn1(self.conv1(x)))
        return self.pooled_stem(self.relu(self.bn2(self.conv2(x))))
