"""NumPy oracles, one per operator, written from the definitions and nothing else.

They are slow and obvious: explicit loops over pixels, float64. Every formulation in the library is
compared with them.
"""

from __future__ import annotations

import numpy as np


def softmax(x: np.ndarray) -> np.ndarray:
    exponent = np.exp(x - x.max(-1, keepdims=True))
    return exponent / exponent.sum(-1, keepdims=True)


def reflect(position: int, length: int) -> int:
    """Walk back and forth between the two ends of a line of pixels."""
    if length == 1:
        return 0
    while not 0 <= position < length:
        position = -position if position < 0 else 2 * (length - 1) - position
    return position


def local_attention(q, k, v, weight, bias, num_heads, kernel, stride=1, dilation=1):
    """Eq. 21, pixel by pixel: softmax_j(q_i . (k_j + p_i - p_j) / sqrt d) v_j."""
    batch, channels, height, width = q.shape
    d = channels // num_heads
    x, y = np.meshgrid(np.linspace(-1, 1, width), np.linspace(-1, 1, height))
    position = np.einsum("gc,chw->ghw", weight, np.stack([x, y])) + bias[:, None, None]
    rows, columns = range(0, height, stride), range(0, width, stride)
    out = np.zeros((batch, channels, len(rows), len(columns)))
    reach = [dilation * (i - kernel // 2) for i in range(kernel)]
    for b in range(batch):
        for n in range(num_heads):
            own = slice(n * d, (n + 1) * d)
            for out_row, row in enumerate(rows):
                for out_column, column in enumerate(columns):
                    near = [
                        (reflect(row + dy, height), reflect(column + dx, width))
                        for dy in reach
                        for dx in reach
                    ]
                    query = q[b, own, row, column]
                    logits = [
                        query
                        @ (k[b, own, i, j] + position[:, row, column] - position[:, i, j])
                        / np.sqrt(d)
                        for i, j in near
                    ]
                    values = np.stack([v[b, own, i, j] for i, j in near])
                    out[b, own, out_row, out_column] = softmax(np.array(logits)) @ values
    return out


def window_attention(q, k, v, table, proj_weight, proj_bias, num_heads, window, shift=0):
    """Swin's windows by their definition: two pixels see each other iff their windows agree.

    The windows of a map shifted by ``shift`` begin at the pixels ``shift - window``, ``shift``,
    ``shift + window``, ...; no padding, no roll, no mask.
    """
    batch, height, width, channels = q.shape
    d = channels // num_heads
    out = np.zeros(q.shape)
    pixels = [(i, j) for i in range(height) for j in range(width)]

    def number(i, j):
        return (i - shift) // window, (j - shift) // window

    for b in range(batch):
        for n in range(num_heads):
            own = slice(n * d, (n + 1) * d)
            for i, j in pixels:
                near = [other for other in pixels if number(*other) == number(i, j)]
                logits = []
                for y, x in near:
                    row = (i - y + window - 1) * (2 * window - 1) + (j - x + window - 1)
                    logits.append(q[b, i, j, own] @ k[b, y, x, own] / np.sqrt(d) + table[row, n])
                values = np.stack([v[b, y, x, own] for y, x in near])
                out[b, i, j, own] = softmax(np.array(logits)) @ values
    return out @ proj_weight.T + proj_bias


def conv2d(x, kernel, stride=1, dilation=1, groups=1):
    """Group convolution (Eq. 1) with zero padding dilation * (k // 2)."""
    batch, _, height, width = x.shape
    outputs, per_group, size, _ = kernel.shape
    border = dilation * (size // 2)
    padded = np.pad(x, ((0, 0), (0, 0), (border, border), (border, border)))
    out = np.zeros((batch, outputs, -(-height // stride), -(-width // stride)))
    for o in range(outputs):
        first = o // (outputs // groups) * per_group
        for i in range(out.shape[2]):
            for j in range(out.shape[3]):
                patch = padded[
                    :,
                    first : first + per_group,
                    i * stride : i * stride + dilation * (size - 1) + 1 : dilation,
                    j * stride : j * stride + dilation * (size - 1) + 1 : dilation,
                ]
                out[:, o, i, j] = (patch * kernel[o]).sum((1, 2, 3))
    return out


def conv_path(q, k, v, fc_weight, fc_bias, kernel, head_dim, stride=1, dilation=1):
    """Sec. 4.2: pieces -> fc -> k^2 maps per channel -> group convolution."""
    batch, _, height, width = q.shape
    pieces = np.concatenate([q, k, v], 1).reshape(batch, -1, head_dim, height, width)
    maps = np.einsum("mj,bjghw->bgmhw", fc_weight, pieces)
    if fc_bias is not None:
        maps = maps + fc_bias[:, None, None]
    maps = maps.reshape(batch, -1, height, width)
    return conv2d(maps, kernel, stride, dilation, groups=head_dim)


def shift_and_sum(q, k, v, fc_weight, fc_bias, channels, head_dim, stride=1, dilation=1):
    """Eq. 4, 7 and 8 taken literally: move each map to its side, add, copy to the N outputs."""
    batch, _, height, width = q.shape
    pieces = np.concatenate([q, k, v], 1).reshape(batch, -1, head_dim, height, width)
    maps = np.einsum("mj,bjghw->bgmhw", fc_weight, pieces)
    if fc_bias is not None:
        maps = maps + fc_bias[:, None, None]
    size = int(np.sqrt(len(fc_weight)))
    summed = np.zeros((batch, head_dim, height, width))
    for m in range(size * size):
        dy, dx = dilation * (m // size - size // 2), dilation * (m % size - size // 2)
        for i in range(height):
            for j in range(width):
                if 0 <= i + dy < height and 0 <= j + dx < width:
                    summed[:, :, i, j] += maps[:, :, m, i + dy, j + dx]
    return np.repeat(summed, channels // head_dim, axis=1)[:, :, ::stride, ::stride]
