"""LayerNorm and a linear layer over patches in NumPy."""

import numpy as np


def unfolded(x, size, stride, padding):
    """Return the patches (B, C size^2, H', W') of a zero-padded map, as torch's unfold."""
    x = np.pad(x, [(0, 0), (0, 0), (padding, padding), (padding, padding)])
    rows, columns = ((side - size) // stride + 1 for side in x.shape[2:])
    out = np.empty((x.shape[0], x.shape[1] * size**2, rows, columns))
    for i in range(rows):
        for j in range(columns):
            patch = x[:, :, i * stride : i * stride + size, j * stride : j * stride + size]
            out[:, :, i, j] = patch.reshape(len(x), -1)
    return out


def patch_linear(x, p, size, stride, padding):
    u = unfolded(x, size, stride, padding).transpose(0, 2, 3, 1)
    u = (u - u.mean(-1, keepdims=True)) / np.sqrt(u.var(-1, keepdims=True) + 1e-5)
    y = (u * p["gamma"] + p["beta"]) @ p["weight"].T
    return (y + p.get("bias", 0)).transpose(0, 3, 1, 2)
