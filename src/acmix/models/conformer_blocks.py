"""Blocks of Conformer (Peng et al., ICCV 2021): each branch, and the exchange between them."""

from __future__ import annotations

from mindspore import Tensor, nn, ops

from acmix.layers.blocks import batch_norm, conv, dense, layer_norm, torch_conv
from acmix.layers.class_token import ClassToken
from acmix.layers.gelu import GELU
from acmix.ops.linear import to_maps, to_tokens
from acmix.ops.padding import pad_to_multiple
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
