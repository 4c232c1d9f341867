"""What the blocks of a padded neighbourhood plan read, all heads of a block together.

The index tables of :mod:`acmix.ops.neighbourhood` name pixels. Those here name rows of tokens
(B, H * W * N, d), row ``pixel * N + head``, or elements of maps (B, N, H * W), in the order (block,
head, pixel of the block): so what is added to the logits of every block alike is a term of each
element of a batch. ``plan`` is (height, width, kernel size, stride, channels of a head).
"""

from __future__ import annotations

import numpy as np

from acmix.ops.neighbourhood import Plan, neighbourhood_plan


def padded_plan(height: int, width: int, kernel_size: int, stride: int, head_dim: int) -> Plan:
    """Return the plan, whose keys lie on the map padded by ``kernel_size // 2`` on all sides."""
    return neighbourhood_plan(height, width, kernel_size, stride, 1, head_dim, "halo", padded=True)


def _output_pixels(plan: tuple[int, ...]) -> np.ndarray:
    """Return the pixel of the output for each query, (blocks, M)."""
    found, (_, width, _, stride, _) = padded_plan(*plan), plan
    row, column = np.divmod(np.asarray(found.queries), width)
    pixel = row // stride * found.out_size[1] + column // stride
    return pixel.reshape(found.blocks, -1)


def _by_block(pixels: np.ndarray, num_heads: int) -> np.ndarray:
    """Turn pixels (blocks, M) into rows, one for each head: (blocks * N * M,)."""
    rows = pixels[:, None, :] * num_heads + np.arange(num_heads)[None, :, None]
    return rows.reshape(-1).astype(np.int32)


def query_rows(num_heads: int, *plan: int) -> np.ndarray:
    """Return the row of each query, among those of the output's pixels."""
    return _by_block(_output_pixels(plan), num_heads)


def key_rows(num_heads: int, *plan: int) -> np.ndarray:
    """Return the row of each key, among those of the padded map."""
    found = padded_plan(*plan)
    return _by_block(np.asarray(found.keys).reshape(found.blocks, -1), num_heads)


def inner_key_rows(num_heads: int, *plan: int) -> np.ndarray:
    """Return the row of each key, among those of the map; beyond it, that of the nearest pixel."""
    found, (height, width, kernel_size, _, _) = padded_plan(*plan), plan
    border = kernel_size // 2
    row, column = np.divmod(np.asarray(found.keys).reshape(found.blocks, -1), width + 2 * border)
    row = np.clip(row - border, 0, height - 1)
    return _by_block(row * width + np.clip(column - border, 0, width - 1), num_heads)


def output_rows(num_heads: int, *plan: int) -> np.ndarray:
    """Return where each (pixel, head) of the output stands among the queries."""
    found = padded_plan(*plan)
    count = found.mask.shape[0]
    block, place = np.divmod(np.asarray(found.output)[:, None], count)
    return ((block * num_heads + np.arange(num_heads)) * count + place).reshape(-1).astype(np.int32)


def query_elements(num_heads: int, *plan: int) -> np.ndarray:
    """Return the place of each query in maps (N, H' * W')."""
    found, pixels = padded_plan(*plan), _output_pixels(plan)
    area = found.out_size[0] * found.out_size[1]
    places = np.arange(num_heads)[None, :, None] * area + pixels[:, None, :]
    return places.reshape(-1).astype(np.int32)


def output_elements(num_heads: int, *plan: int) -> np.ndarray:
    """Return where each (head, pixel) of the output stands among the queries."""
    rows = output_rows(num_heads, *plan).reshape(-1, num_heads)
    return np.ascontiguousarray(rows.T).reshape(-1)


def key_pixels(*plan: int) -> np.ndarray:
    """Return the pixel of each key on the padded map, block by block: (blocks * keys,)."""
    return np.asarray(padded_plan(*plan).keys)


def offset_index(*plan: int) -> np.ndarray:
    """Return which of the k^2 offsets each key of a block has to each query: (M * keys,).

    It is ``row * k + column``, and k^2 where the key is not in the neighbourhood.
    """
    found, (_, _, kernel_size, stride, _) = padded_plan(*plan), plan

    def along(queries: int, keys: int) -> tuple[np.ndarray, np.ndarray]:
        offset = np.arange(keys)[None] - stride * np.arange(queries)[:, None]
        return offset, (offset >= 0) & (offset < kernel_size)

    rows, rows_inside = along(found.block[0], found.halo[0])
    columns, columns_inside = along(found.block[1], found.halo[1])
    index = rows[:, None, :, None] * kernel_size + columns[None, :, None, :]
    inside = rows_inside[:, None, :, None] & columns_inside[None, :, None, :]
    return np.where(inside, index, kernel_size**2).reshape(-1).astype(np.int32)


def axis_choice(*plan: int) -> np.ndarray:
    """Return the matrix (rows + columns of the halo, keys) that adds a term of each."""
    rows, columns = padded_plan(*plan).halo
    of_rows = np.repeat(np.eye(rows), columns, 1)
    of_columns = np.tile(np.eye(columns), (1, rows))
    return np.concatenate([of_rows, of_columns]).astype(np.float32)
