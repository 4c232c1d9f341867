"""Compile a network in graph mode and write it to a file."""

from __future__ import annotations

from pathlib import Path

import mindspore as ms
from mindspore import Tensor, nn

from acmix.export.formats import Format
from acmix.utils.modes import execution_mode, jit_syntax_restored


def write_model(
    network: nn.Cell, path: Path, format: Format, input_shape: tuple[int | None, ...]
) -> dict[str, int]:
    """Write ``network`` to ``path`` and return the number of its operators by type.

    Raises:
        UserError: see :meth:`acmix.export.formats.Format.write`.
    """
    # A tensor without data suffices for compilation, and is the only way to a dynamic size.
    images = Tensor(shape=input_shape, dtype=ms.float32)
    with execution_mode(ms.GRAPH_MODE), jit_syntax_restored():
        return format.write(network, images, path)
