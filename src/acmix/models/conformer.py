"""Conformer, and Conformer-ACmix.

Conformer: Peng et al., "Conformer: Local Features Coupling Global Representations for Visual
Recognition", ICCV 2021. A residual network and a vision transformer run side by side and exchange
features in every block; each has a classifier. Conformer-ACmix is ours, no paper has it: the
attention of every block becomes an ACmix operator.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

from mindspore import Tensor, nn, ops

from acmix.errors import check
from acmix.layers.acmix_options import ACmixOptions
from acmix.layers.blocks import batch_norm, conv, dense, layer_norm, torch_conv
from acmix.layers.class_token import ClassToken
from acmix.layers.drop_path import drop_path_rates
from acmix.layers.gelu import GELU
from acmix.models.backbone import Backbone, FeatureInfo
from acmix.models.vit import TransformerBlock, global_mixer, mixer_options
from acmix.ops.linear import to_maps, to_tokens
from acmix.ops.padding import pad_to_multiple, zero_pad
from acmix.ops.pooling import average_pool
from acmix.ops.resample import repeat
from acmix.utils.cells import Shape

EPSILON = 1e-6  # of all norms but the stem's and the last one's
SQUEEZE = 4  # a block has as many times the channels of its 3x3 convolution
STEM_WIDTH, PATCH = 64, 4  # channels of the stem; pixels of its map in a patch's side


class ConvBlock(nn.Cell):
    """A bottleneck whose 3x3 convolution may see an addend, and which shows what that gives.

    Args:
        in_channels, channels: of the block.
        stride: of the 3x3 convolution.
        project: whether the identity is a convolution with BatchNorm.

    Shape:
        x: (B, in_channels, H, W). addend: None or (B, channels / 4, H, W).
        Output: (B, channels, H', W'), and (B, channels / 4, H', W') behind the 3x3 convolution.
    """

    def __init__(self, in_channels: int, channels: int, stride: int = 1, project: bool = False):
        super().__init__()
        width = channels // SQUEEZE
        self.fold_norm_into_previous: tuple = (("conv1", "bn1"), ("conv2", "bn2"), ("conv3", "bn3"))
        self.conv1, self.bn1 = conv(in_channels, width, 1), batch_norm(width, EPSILON)
        self.conv2 = conv(width, width, 3, stride, padding=1)
        self.bn2 = batch_norm(width, EPSILON)
        self.conv3, self.bn3 = conv(width, channels, 1), batch_norm(channels, EPSILON)
        self.relu = nn.ReLU()
        self.residual_conv = None
        if project:
            self.fold_norm_into_previous += (("residual_conv", "residual_bn"),)
            self.residual_conv = conv(in_channels, channels, 1, stride)
            self.residual_bn = batch_norm(channels, EPSILON)

    def construct(self, x: Tensor, addend: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Apply the block."""
        identity = x if self.residual_conv is None else self.residual_bn(self.residual_conv(x))
        x = self.relu(self.bn1(self.conv1(x)))
        if addend is not None:
            x = x + addend
        inner = self.relu(self.bn2(self.conv2(x)))
        return self.relu(self.bn3(self.conv3(inner)) + identity), inner


class Squeeze(nn.Cell):
    """From maps to tokens: average, linear layer, LayerNorm, GELU.

    The paper averages behind the linear layer. Both are linear, and on the small map it is less.

    Shape:
        (B, C', H, W) to (B, ceil(H / ratio) * ceil(W / ratio), C).
    """

    def __init__(self, channels: int, dim: int, ratio: int):
        super().__init__()
        self.ratio = ratio
        self.conv_project = dense(channels, dim)
        self.ln = layer_norm(dim, EPSILON)
        self.gelu = GELU()

    def construct(self, x: Tensor) -> Tensor:
        """Squeeze."""
        x = to_tokens(average_pool(x, self.ratio))
        x = x.reshape((-1, x.shape[1] * x.shape[2], x.shape[3]))
        return self.gelu(self.ln(self.conv_project(x)))

    def macs(self, x_shape: Shape) -> dict[str, int]:
        """Multiply-adds of the linear layer on the large map, less those that its Cell counts."""
        batch, channels, height, width = x_shape
        pooled = -(-height // self.ratio) * -(-width // self.ratio)
        return {
            "linear": batch * (height * width - pooled) * channels * len(self.conv_project.weight)
        }


class Expand(nn.Cell):
    """From tokens to maps: linear layer, BatchNorm, ReLU, repeated pixels.

    Shape:
        (B, h * w, C) to (B, C', height, width), h and w being these over ``ratio``, rounded up.
    """

    fold_norm_into_previous = (("conv_project", "bn"),)

    def __init__(self, dim: int, channels: int, ratio: int):
        super().__init__()
        self.ratio = ratio
        self.conv_project = dense(dim, channels)
        self.bn = batch_norm(channels, EPSILON)
        self.relu = nn.ReLU()

    def construct(self, x: Tensor, height: int, width: int) -> Tensor:
        """Expand."""
        x = self.conv_project(x)
        rows, columns = -(-height // self.ratio), -(-width // self.ratio)
        x = to_maps(x.reshape((-1, rows, columns, x.shape[2])))
        return repeat(self.relu(self.bn(x)), self.ratio, height, width)


class FirstBlock(nn.Cell):
    """Begin both branches: (B, 64, H, W) to maps (B, C, H, W) and tokens (B, 1 + L, D)."""

    def __init__(self, channels: int, dim: int, trans_block: nn.Cell):
        super().__init__()
        self.conv_1 = ConvBlock(STEM_WIDTH, channels, project=True)
        self.trans_patch_conv = torch_conv(STEM_WIDTH, dim, PATCH, PATCH)
        self.token = ClassToken(dim)
        self.trans_1 = trans_block

    def construct(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Apply the block."""
        tokens = to_tokens(self.trans_patch_conv(pad_to_multiple(x, PATCH)))
        _, height, width, dim = tokens.shape
        tokens = self.token(tokens.reshape((-1, height * width, dim)))
        return self.conv_1(x)[0], self.trans_1(tokens, height, width)


class ConvTransBlock(nn.Cell):
    """A block of each branch, and the exchange between them.

    Args:
        in_channels, channels: of the maps.
        dim: D of the tokens.
        stride: of the first convolutional block.
        fusion_stride: of the second one.
        ratio: sides of the map against those of the tokens' map.
        trans_block: the block of the transformer.

    Shape:
        The pair (B, in_channels, H, W), (B, 1 + L, D) to the same with ``channels``.
    """

    def __init__(
        self,
        in_channels: int,
        channels: int,
        dim: int,
        stride: int,
        fusion_stride: int,
        ratio: int,
        trans_block: nn.Cell,
    ):
        super().__init__()
        self.ratio = ratio
        self.cnn_block = ConvBlock(in_channels, channels, stride, project=stride > 1)
        self.squeeze_block = Squeeze(channels // SQUEEZE, dim, ratio)
        self.trans_block = trans_block
        self.expand_block = Expand(dim, channels // SQUEEZE, ratio)
        self.fusion_block = ConvBlock(channels, channels, fusion_stride, project=fusion_stride > 1)

    def construct(self, both: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        """Apply the block."""
        x, tokens = both
        x, inner = self.cnn_block(x)
        _, _, height, width = x.shape
        rows, columns = -(-height // self.ratio), -(-width // self.ratio)
        squeezed = self.squeeze_block(inner)
        # As released: the class token itself stands before the squeezed map and is added, too.
        token, _ = ops.split(tokens, (1, rows * columns), 1)
        tokens = tokens + ops.cat((token, squeezed.astype(token.dtype)), 1)
        tokens = self.trans_block(tokens, rows, columns)
        _, patches = ops.split(tokens, (1, rows * columns), 1)
        x, _ = self.fusion_block(x, self.expand_block(patches, height, width))
        return x, tokens


class TwoHeads(nn.Cell):
    """A classifier of each branch, on the features of both: (B, C + D) to the sum of the logits."""

    def __init__(self, channels: int, dim: int, num_classes: int):
        super().__init__()
        self.sizes = (channels, dim)
        self.conv_cls_head = dense(channels, num_classes)
        self.trans_cls_head = dense(dim, num_classes)

    def construct(self, x: Tensor) -> Tensor:
        """Return the sum of both logits, (B, num_classes)."""
        convolved, transformed = self.separately(x)
        return convolved + transformed

    def separately(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the logits of the convolutions and of the transformer."""
        convolved, token = ops.split(x, self.sizes, 1)
        return self.conv_cls_head(convolved), self.trans_cls_head(token)


class Conformer(Backbone):
    """A residual network and a transformer with a class token, coupled.

    The classifier's output is the sum of two logits. Training sees each of them, see
    :meth:`training_logits`.

    Args:
        depths: blocks of the stages with maps of strides 4, 8, 16, and of the last one, whose final
            convolution has stride 2.
        width: channels of the maps of the first stage; doubled in the second and third.
        embed_dim: D of the tokens, which stand for 16 x 16 pixels in all stages.
        num_heads: N.
        mlp_ratio: hidden channels of the MLP against D.
        mixer: ``attention`` or ``acmix``.
        num_classes: outputs of each classifier, 0 for the features of both branches.
        in_channels: channels of the images.
        drop_path_rate: of the transformer's last block; grows linearly from 0.
        features_only, out_indices: see :class:`Backbone`: the maps of the convolutions.
        **acmix_arguments: fields of :class:`ACmixOptions`, by default an initial weight as
            Conformer's. ``combine='conv'`` is refused.

    Shape:
        (B, in_channels, H, W) to (B, num_classes); any H and W of at least 1. There are no
        positions. Where a map is not whole patches, these are averaged over the pixels there are.
    """

    default_options = ACmixOptions(qkv_std=0.02)
    fold_norm_into_previous = (("conv1", "bn1"),)

    def __init__(
        self,
        depths: Sequence[int] = (4, 4, 3, 1),
        width: int = 256,
        embed_dim: int = 384,
        num_heads: int = 6,
        mlp_ratio: float = 4.0,
        mixer: str = "attention",
        num_classes: int = 1000,
        in_channels: int = 3,
        drop_path_rate: float = 0.0,
        features_only: bool = False,
        out_indices: Sequence[int] | None = None,
        **acmix_arguments: Any,
    ):
        super().__init__()
        options = mixer_options(mixer, self.options_from(acmix_arguments))
        check(
            len(depths) == 4 and depths[-1] == 1,
            f"depths must be those of 4 stages, the last of 1 block, got {depths}.",
        )
        check(width % SQUEEZE == 0, f"width must be a multiple of {SQUEEZE}, got {width}.")
        self.conv1 = conv(in_channels, STEM_WIDTH, 7, 2, padding=3)
        self.bn1 = batch_norm(STEM_WIDTH)
        self.relu = nn.ReLU()
        self.maxpool = nn.MaxPool2d(3, 2, pad_mode="valid")
        trans_blocks = [
            TransformerBlock(
                global_mixer(embed_dim, num_heads, options, with_token=True),
                embed_dim,
                mlp_ratio,
                rate,
                EPSILON,
            )
            for rate in drop_path_rates(drop_path_rate, depths)
        ]
        stages, info, before, number = [], [], width, 1
        for index, depth in enumerate(depths):
            grows, last = index in (1, 2), index == len(depths) - 1
            channels = 2 * before if grows else before
            blocks: OrderedDict[str, nn.Cell] = OrderedDict()
            for position in range(depth):
                trans_block = trans_blocks[number - 1]
                if number == 1:
                    blocks["first"] = FirstBlock(channels, embed_dim, trans_block)
                else:
                    blocks[f"conv_trans_{number}"] = ConvTransBlock(
                        before,
                        channels,
                        embed_dim,
                        stride=2 if grows and position == 0 else 1,
                        fusion_stride=2 if last else 1,
                        ratio=max(PATCH // 2**index, 1),
                        trans_block=trans_block,
                    )
                before, number = channels, number + 1
            stages.append(nn.SequentialCell(blocks))
            info.append(FeatureInfo(channels, 4 * 2**index, f"stages.{index}"))
        self.stages = nn.CellList(stages)
        self.embed_dim = embed_dim
        self.finish(info, num_classes, features_only, out_indices, before + embed_dim)
        if not features_only:
            self.trans_norm = layer_norm(embed_dim)

    def make_classifier(self, num_classes: int) -> nn.Cell:
        """Return a classifier of each branch."""
        return TwoHeads(self.num_features - self.embed_dim, self.embed_dim, num_classes)

    def stem(self, x: Tensor) -> Tensor:
        """Reduce (B, in_channels, H, W) to (B, 64, H / 4, W / 4)."""
        x = self.relu(self.bn1(self.conv1(x)))
        # After a ReLU zero padding is as good as padding by minus infinity, and it exports.
        return self.maxpool(zero_pad(x, 1, 1, 1, 1))

    def to_feature(self, x: tuple[Tensor, Tensor], index: int) -> Tensor:
        """Take the map."""
        return x[0]

    def pooled(self, x: tuple[Tensor, Tensor]) -> Tensor:
        """Average the map and normalise the class token: (B, num_features)."""
        maps, tokens = x
        token, _ = ops.split(tokens, (1, tokens.shape[1] - 1), 1)
        token = self.trans_norm(token.reshape((-1, self.embed_dim)))
        return ops.cat((self.pool(maps, (2, 3)), token.astype(maps.dtype)), 1)

    def training_logits(self, x: Tensor) -> tuple[Tensor, ...]:
        """Return the logits of each classifier."""
        return self.head.separately(self.pooled(self.forward_features(x)))
