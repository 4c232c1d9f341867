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


def batch_norm(x, gamma, beta, mean=None, variance=None):
    """Normalise each channel of (B, C, H, W) by the given statistics, or by those of the batch."""
    if mean is None:
        mean, variance = x.mean((0, 2, 3)), x.var((0, 2, 3))
    column = (slice(None), None, None)
    scaled = (x - mean[column]) / np.sqrt(variance[column] + 1e-5)
    return scaled * gamma[column] + beta[column]


def patchwise_attention(q, k, v, p, kernel, share, training):
    """SAN (Eq. 18), pixel by pixel: an MLP of [q, neighbourhood of k] gives the weights of v.

    ``p`` holds the parameters by name: bn1, fc1, bn2, fc2.
    """
    batch, relation_channels, height, width = q.shape
    reach = [(i, j) for i in range(kernel) for j in range(kernel)]

    def neighbour(maps, channel, offset, row, column):
        i, j = offset
        y, x = reflect(row + i - kernel // 2, height), reflect(column + j - kernel // 2, width)
        return maps[:, channel, y, x]

    pixels = [(row, column) for row in range(height) for column in range(width)]
    relation = np.zeros((batch, relation_channels * (1 + kernel**2), height, width))
    relation[:, :relation_channels] = q
    for channel in range(relation_channels):
        for number, offset in enumerate(reach):
            target = relation_channels + channel * kernel**2 + number
            for row, column in pixels:
                relation[:, target, row, column] = neighbour(k, channel, offset, row, column)

    def norm(x, name):
        running = () if training else (p[f"{name}.moving_mean"], p[f"{name}.moving_variance"])
        return batch_norm(x, p[f"{name}.gamma"], p[f"{name}.beta"], *running)

    x = np.maximum(norm(relation, "bn1"), 0)
    x = np.einsum("oc,bchw->bohw", p["fc1.weight"][:, :, 0, 0], x)
    x = np.maximum(norm(x, "bn2"), 0)
    x = np.einsum("oc,bchw->bohw", p["fc2.weight"][:, :, 0, 0], x) + p["fc2.bias"][:, None, None]
    groups = v.shape[1] // share
    out = np.zeros(v.shape)
    for channel in range(v.shape[1]):
        for number, offset in enumerate(reach):
            weight = x[:, channel % groups * kernel**2 + number]
            for row, column in pixels:
                value = neighbour(v, channel, offset, row, column)
                out[:, channel, row, column] += weight[:, row, column] * value
    return out


def global_attention(q, k, v, num_heads):
    """Eq. 20, query by query: q (B, L, C) attends to all of k and v (B, M, C)."""
    d = q.shape[2] // num_heads
    out = np.zeros(q.shape)
    for b in range(q.shape[0]):
        for n in range(num_heads):
            own = slice(n * d, (n + 1) * d)
            for i in range(q.shape[1]):
                logits = k[b, :, own] @ q[b, i, own] / np.sqrt(d)
                out[b, i, own] = softmax(logits) @ v[b, :, own]
    return out


def reduce_map(x, weight, bias, gamma, beta, ratio):
    """PVT's spatial reduction of (B, H, W, C): whole patches, linear, LayerNorm.

    A map that is smaller than a patch is continued by zeros.
    """
    batch, height, width, _ = x.shape
    x = np.pad(x, ((0, 0), (0, max(ratio - height, 0)), (0, max(ratio - width, 0)), (0, 0)))
    rows, columns = x.shape[1] // ratio, x.shape[2] // ratio
    out = np.zeros((batch, rows, columns, len(weight)))
    for i in range(rows):
        for j in range(columns):
            patch = x[:, i * ratio : (i + 1) * ratio, j * ratio : (j + 1) * ratio]
            out[:, i, j] = np.einsum("byxc,ocyx->bo", patch, weight) + bias
    centred = out - out.mean(-1, keepdims=True)
    return centred / np.sqrt(out.var(-1, keepdims=True) + 1e-5) * gamma + beta


def interpolate(x, axis, positions):
    """Read the lines of ``x`` along ``axis`` at fractional positions, constant beyond the ends."""
    pixels = np.arange(x.shape[axis])
    return np.apply_along_axis(lambda line: np.interp(positions, pixels, line), axis, x)


def relative_attention(q, k, v, height_table, width_table, num_heads):
    """BoTNet: logits q_i . (k_j + r^y + r^x) / sqrt d, the tables having a row per distance."""
    batch, channels, height, width = q.shape
    d = channels // num_heads
    out = np.zeros(q.shape)
    pixels = [(y, x) for y in range(height) for x in range(width)]
    for b in range(batch):
        for n in range(num_heads):
            own = slice(n * d, (n + 1) * d)
            values = np.stack([v[b, own, y, x] for y, x in pixels])
            for row, column in pixels:
                logits = [
                    q[b, own, row, column]
                    @ (
                        k[b, own, y, x]
                        + height_table[y - row + height - 1]
                        + width_table[x - column + width - 1]
                    )
                    / np.sqrt(d)
                    for y, x in pixels
                ]
                out[b, own, row, column] = softmax(np.array(logits)) @ values
    return out


def standalone_attention(q, k, v, rows, columns, num_heads, kernel):
    """SASA, pixel by pixel; ``rows`` and ``columns`` (N, kernel, d / 2); zeros around the map."""
    batch, channels, height, width = q.shape
    d, reach = channels // num_heads, range(-(kernel // 2), kernel // 2 + 1)
    out = np.zeros(q.shape)
    for b, n, y, x in np.ndindex(batch, num_heads, height, width):
        own = slice(n * d, (n + 1) * d)
        logits, values = [], []
        for dy in reach:
            for dx in reach:
                inside = 0 <= y + dy < height and 0 <= x + dx < width
                key = k[b, own, y + dy, x + dx] if inside else np.zeros(d)
                values.append(v[b, own, y + dy, x + dx] if inside else np.zeros(d))
                place = dy + kernel // 2, dx + kernel // 2
                position = np.concatenate([rows[n, place[0]], columns[n, place[1]]])
                logits.append(q[b, own, y, x] @ (key + position))
        out[b, own, y, x] = softmax(np.array(logits)) @ np.stack(values)
    return out


def local_relation(q, k, v, prior, kernel, stride=1):
    """LR-Net's Eq. 2, pixel by pixel; ``prior`` (G, kernel, kernel); nothing around the map."""
    batch, groups, height, width = k.shape
    share = v.shape[1] // groups
    out = np.zeros((batch, v.shape[1], *q.shape[2:]))
    for b, g, i, j in np.ndindex(batch, *q.shape[1:]):
        own, y, x = slice(g * share, (g + 1) * share), i * stride, j * stride
        near = [
            (m, n)
            for m, n in np.ndindex(height, width)
            if max(abs(m - y), abs(n - x)) <= kernel // 2
        ]
        logits = [
            -((q[b, g, i, j] - k[b, g, m, n]) ** 2)
            + prior[g, m - y + kernel // 2, n - x + kernel // 2]
            for m, n in near
        ]
        values = np.stack([v[b, own, m, n] for m, n in near])
        out[b, own, i, j] = softmax(np.array(logits)) @ values
    return out
