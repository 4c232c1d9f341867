"""ConTNet: convolutions and transformers in windows, one after the other.

Yan et al., "ConTNet: Why not use convolution and transformer at the same time?", 2021
(arXiv:2104.13497), in the form of its released code: positions are learned vectors, norms follow
the layers. The released ConT-B has 36.0 M parameters, where the paper prints 39.6 M.

Where a map is no multiple of a window it is padded, and the padding is masked; the original takes
multiples of 224 pixels only. In training the original drops attention weights and hidden channels
of the MLP, too.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

from mindspore import Tensor, nn

from acmix.errors import check
from acmix.layers.acmix import ACmix
from acmix.layers.blocks import Mlp, batch_norm, conv, layer_norm
from acmix.layers.drop_path import Dropout, DropPath, drop_path_rates
from acmix.layers.window_positions import WindowPositions
from acmix.models.backbone import Backbone, FeatureInfo
from acmix.ops.linear import to_maps, to_tokens
from acmix.ops.padding import lowest_pad

SMALL_WINDOW, LARGE_WINDOW = 7, 14


class WindowTransformer(nn.Cell):
    """Positions, window attention and MLP, each of the two before a LayerNorm: (B, H, W, C)."""

    def __init__(self, dim: int, mlp_dim: int, num_heads: int, window_size: int, dropout: float):
        super().__init__()
        self.pe = WindowPositions(dim, window_size)
        self.attn = ACmix(
            dim,
            dim,
            num_heads,
            attention="window",
            window_size=window_size,
            position_bias=False,
            combine="attention",
            qkv_std=0.02,
        )
        self.norm1 = layer_norm(dim)
        self.mlp = Mlp(dim, mlp_dim)
        self.norm2 = layer_norm(dim)
        self.dropout1 = Dropout(dropout)
        self.dropout2 = Dropout(dropout)

    def construct(self, x: Tensor) -> Tensor:
        """Apply the layers."""
        x = self.pe(x)
        x = self.norm1(x + self.dropout1(self.attn(x)))
        return self.norm2(x + self.dropout2(self.mlp(x)))


class ContBlock(nn.Cell):
    """BatchNorm and ReLU, two window transformers and a convolution, around an identity.

    Args:
        dim: C.
        out_channels: of the output.
        mlp_dim: hidden channels of the MLPs.
        num_heads: N.
        windows: sides of the windows of the two transformers.
        kernel_size, stride: of the convolution.
        ends_stage: whether a 1x1 convolution of what the ReLU puts out stands for the identity.
        dropout: behind the layers of the transformers.
        last_dropout: behind the sum.
        drop_path_rate: probability of dropping the branch.

    Shape:
        (B, C, H, W) to (B, out_channels, ceil(H / stride), ceil(W / stride)).
    """

    def __init__(
        self,
        dim: int,
        out_channels: int,
        mlp_dim: int,
        num_heads: int,
        windows: Sequence[int] = (SMALL_WINDOW, LARGE_WINDOW),
        kernel_size: int = 3,
        stride: int = 1,
        ends_stage: bool = False,
        dropout: float = 0.0,
        last_dropout: float = 0.0,
        drop_path_rate: float = 0.0,
    ):
        super().__init__()
        self.bn = batch_norm(dim)
        self.relu = nn.ReLU()
        self.ste1, self.ste2 = (
            WindowTransformer(dim, mlp_dim, num_heads, window, dropout) for window in windows
        )
        self.out_conv = conv(dim, out_channels, kernel_size, stride, padding=kernel_size // 2)
        self.downsample = conv(dim, out_channels, 1, stride) if ends_stage else None
        self.drop_path = DropPath(drop_path_rate)
        self.dropout = Dropout(last_dropout)

    def construct(self, x: Tensor) -> Tensor:
        """Apply the block."""
        active = self.relu(self.bn(x))
        identity = x if self.downsample is None else self.downsample(active)
        y = self.out_conv(to_maps(self.ste2(self.ste1(to_tokens(active)))))
        return self.dropout(identity + self.drop_path(y))


class StemPool(nn.Cell):
    """Max pooling of 3x3 pixels at every second one: (B, C, H, W) to (B, C, H / 2, W / 2)."""

    def __init__(self) -> None:
        super().__init__()
        self.maxpool = nn.MaxPool2d(3, 2, pad_mode="valid")

    def construct(self, x: Tensor) -> Tensor:
        """Pool."""
        return self.maxpool(lowest_pad(x, 1, 1, 1, 1))


class ContNet(Backbone):
    """A ConTNet.

    The last block of a part halves the map and doubles the channels; that of the last part only
    doubles the channels. The feature maps are the stem's and those of the parts, the last part's in
    place of the one before it, which has the same size.

    Args:
        depths: blocks per part.
        width: channels of the first part; doubles with every part.
        mlp_dims: hidden channels of the MLPs per part.
        num_heads: N per part.
        num_classes: outputs of the classifier, 0 for pooled features.
        in_channels: channels of the images.
        dropout: behind the layers of the transformers, in the last two parts.
        last_dropout: behind the last block.
        drop_path_rate: of the last block; grows linearly from 0.
        features_only, out_indices: see :class:`Backbone`.

    Shape:
        (B, in_channels, H, W) to (B, num_classes); any H and W of at least 1.
    """

    classifier_name = "fc"

    def __init__(
        self,
        depths: Sequence[int] = (2, 2, 2, 2),
        width: int = 64,
        mlp_dims: Sequence[int] = (256, 512, 1024, 1024),
        num_heads: Sequence[int] = (1, 2, 4, 8),
        num_classes: int = 1000,
        in_channels: int = 3,
        dropout: float = 0.0,
        last_dropout: float = 0.0,
        drop_path_rate: float = 0.0,
        features_only: bool = False,
        out_indices: Sequence[int] | None = None,
    ):
        super().__init__()
        check(
            len(depths) == len(mlp_dims) == len(num_heads),
            "depths, mlp_dims and num_heads must be equally long, "
            f"got {depths}, {mlp_dims} and {num_heads}.",
        )
        self.conv1 = conv(in_channels, width, 7, 2, padding=3)
        rates, parts = drop_path_rates(drop_path_rate, depths), len(depths)
        stages: list[OrderedDict[str, nn.Cell]] = [OrderedDict(pool=StemPool())]
        for part, depth in enumerate(depths):
            dim, last_part = width * 2**part, part == parts - 1
            if not last_part or parts == 1:
                stages.append(OrderedDict())
            for position in range(depth):
                ends, whole = position == depth - 1, {}
                if ends:
                    whole = {"kernel_size": 1} if last_part else {"stride": 2}
                stages[-1][f"layer{part + 1}_{position}"] = ContBlock(
                    dim,
                    dim * 2 if ends else dim,
                    mlp_dims[part],
                    num_heads[part],
                    (SMALL_WINDOW, SMALL_WINDOW if last_part else LARGE_WINDOW),
                    ends_stage=ends,
                    dropout=dropout if part >= parts - 2 else 0.0,
                    last_dropout=last_dropout if ends and last_part else 0.0,
                    drop_path_rate=next(rates),
                    **whole,
                )
        self.stages = nn.CellList([nn.SequentialCell(cells) for cells in stages])
        channels = [width * 2**index for index in range(len(stages))]
        channels[-1] = width * 2**parts
        info = [
            FeatureInfo(count, 4 * 2**index, f"stages.{index}")
            for index, count in enumerate(channels)
        ]
        self.finish(info, num_classes, features_only, out_indices)

    def stem(self, x: Tensor) -> Tensor:
        """Convolve: (B, in_channels, H, W) to (B, width, H / 2, W / 2)."""
        return self.conv1(x)
