"""CvT: Wu et al., "CvT: Introducing Convolutions to Vision Transformers", ICCV 2021.

Queries, keys and values are depthwise convolutions of the map, then linear layers. There are no
positions. A class token joins in the last stage.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

from mindspore import Tensor, nn, ops

from acmix.errors import check
from acmix.layers.attention.channel_first import ChannelFirstAttention
from acmix.layers.blocks import batch_norm, dense, layer_norm, patch_conv, torch_conv
from acmix.layers.class_token import ClassToken, split_tokens
from acmix.layers.drop_path import drop_path_rates
from acmix.layers.gelu import QuickGELU
from acmix.models.backbone import FeatureInfo
from acmix.models.vit import TokenBackbone, TransformerBlock, TransformerStage
from acmix.ops.linear import to_maps, to_tokens
from acmix.ops.padding import pad_to_multiple

KEY_STRIDE = 2


class OverlappingPatchEmbed(nn.Cell):
    """A convolution with a stride and LayerNorm: (B, C_in, H, W) to (B, H', W', C).

    The first one gets sides that are multiples of its stride, by zeros at the bottom and right.
    """

    def __init__(self, in_channels: int, dim: int, kernel_size: int, stride: int, padding: int):
        super().__init__()
        self.pad_to = stride if padding * 2 < kernel_size - 1 else 1
        self.proj = torch_conv(in_channels, dim, kernel_size, stride, padding=padding)
        self.norm = layer_norm(dim)

    def construct(self, x: Tensor) -> Tensor:
        """Embed."""
        return self.norm(to_tokens(self.proj(pad_to_multiple(x, self.pad_to))))


class ConvolutionalAttention(nn.Cell):
    """Multi-head attention whose projections see 3 x 3 pixels, then a linear projection.

    Each of q, k and v is a depthwise 3 x 3 convolution, BatchNorm and a linear layer. Keys and
    values have stride 2. A class token is not convolved. The scale is that of all channels,
    1 / sqrt(C), as in the released code.

    Args:
        dim: C.
        num_heads: N, a divisor of C.

    Shape:
        x and output: (B, H, W, C). tokens: None or (B, 1, E, C), which a second output belongs to.
    """

    takes_tokens = True

    def __init__(self, dim: int, num_heads: int):
        super().__init__()
        self.dim = dim
        self.conv_proj_q, self.conv_proj_k, self.conv_proj_v = (
            nn.SequentialCell(
                OrderedDict(
                    conv=torch_conv(dim, dim, 3, stride, has_bias=False, padding=1, groups=dim),
                    bn=batch_norm(dim),
                )
            )
            for stride in (1, KEY_STRIDE, KEY_STRIDE)
        )
        self.proj_q, self.proj_k, self.proj_v = (patch_conv(dim, dim) for _ in range(3))
        self.attention = ChannelFirstAttention(dim, num_heads, dim**-0.5)
        self.proj = dense(dim, dim)

    def construct(self, x: Tensor, tokens: Tensor | None = None) -> Tensor | tuple[Tensor, Tensor]:
        """Attend; see the class."""
        _, height, width, _ = x.shape
        maps, extra = to_maps(x), None
        if tokens is not None:
            extra = tokens.reshape((-1, tokens.shape[2], self.dim)).transpose(0, 2, 1)
        q = self._joined(self.proj_q, self.conv_proj_q(maps), extra)
        k = self._joined(self.proj_k, self.conv_proj_k(maps), extra)
        v = self._joined(self.proj_v, self.conv_proj_v(maps), extra)
        out = self.proj(self.attention(q, k, v).transpose(0, 2, 1))
        if tokens is None:
            return out.reshape((-1, height, width, self.dim))
        return split_tokens(out, height, width)

    def _joined(self, linear: nn.Cell, maps: Tensor, extra: Tensor | None) -> Tensor:
        """Put the tokens in front of a map and apply a linear layer: (B, C, E + L)."""
        _, _, height, width = maps.shape
        x = maps.reshape((-1, self.dim, height * width))
        if extra is not None:
            x = ops.cat((extra.astype(x.dtype), x), 2)
        length = x.shape[2]
        return linear(x.reshape((-1, self.dim, 1, length))).reshape((-1, self.dim, length))


class CvT(TokenBackbone):
    """A convolutional vision transformer.

    Args:
        depths: blocks per stage.
        embed_dims: C per stage.
        num_heads: N per stage.
        mlp_ratio: hidden channels of the MLP against C.
        num_classes: outputs of the classifier, 0 for the normalised class token.
        in_channels: channels of the images.
        drop_path_rate: of the last block; grows linearly from 0 over the blocks of the last stage.
            The others drop nothing, as in the released configurations.
        features_only, out_indices: see :class:`Backbone`. The class token attends, and the maps are
            not normalised.

    Shape:
        (B, in_channels, H, W) to (B, num_classes); any H and W of at least 1. Sides that are not
        multiples of 4 are zero-padded.
    """

    def __init__(
        self,
        depths: Sequence[int] = (1, 2, 10),
        embed_dims: Sequence[int] = (64, 192, 384),
        num_heads: Sequence[int] = (1, 3, 6),
        mlp_ratio: float = 4.0,
        num_classes: int = 1000,
        in_channels: int = 3,
        drop_path_rate: float = 0.0,
        features_only: bool = False,
        out_indices: Sequence[int] | None = None,
    ):
        super().__init__()
        check(
            len(depths) == len(embed_dims) == len(num_heads),
            "depths, embed_dims and num_heads must be equally long, got "
            f"{depths}, {embed_dims} and {num_heads}.",
        )
        stages, info, before = [], [], in_channels
        for index, (depth, dim) in enumerate(zip(depths, embed_dims, strict=True)):
            last = index == len(depths) - 1
            blocks: list[nn.Cell] = [
                TransformerBlock(
                    ConvolutionalAttention(dim, num_heads[index]),
                    dim,
                    mlp_ratio,
                    rate,
                    activation=QuickGELU(),
                )
                for rate in drop_path_rates(drop_path_rate if last else 0.0, (depth,))
            ]
            patches = (3, 2, 1) if index else (7, 4, 2)
            embed = OverlappingPatchEmbed(before, dim, *patches)
            token = ClassToken(dim) if last else None
            stages.append(TransformerStage(embed, None, blocks, token))
            info.append(FeatureInfo(dim, 4 * 2**index, f"stages.{index}"))
            before = dim
        self.stages = nn.CellList(stages)
        self.finish(info, num_classes, features_only, out_indices)
