"""Export a network with its metadata file (side-car), and verify the file."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import mindspore as ms
from mindspore import nn

from acmix.errors import check
from acmix.export.formats import FORMATS
from acmix.export.formats.base import INPUT_NAME
from acmix.export.precision import half_precision
from acmix.export.sidecar import SideCar, sidecar_path
from acmix.export.verify import Compare, checked_difference, max_difference
from acmix.export.writer import write_model
from acmix.utils.files import plain_path, publish, sha256_of, staging_folder, write_text
from acmix.utils.modes import evaluation_mode
from acmix.utils.outputs import check_output_file
from acmix.version import __version__


@dataclass(frozen=True)
class ExportReport:
    """Result of an export and its verification.

    Attributes:
        path: model file; its metadata file (side-car) is ``<path>.json``.
        format: name of the format.
        bytes: size of the model file.
        operators: number of primitives by type in the graph.
        max_abs_diff: maximum absolute difference between file and network on random images, of
            labels the share that differs; None if the file was not run.
        note: reason why the file was not run, else empty.
    """

    path: Path
    format: str
    bytes: int
    operators: dict[str, int]
    max_abs_diff: float | None
    note: str


def check_export(path: str | Path, format: str) -> None:
    """Raise :class:`UserError` unless ``path`` can be written as ``format`` on this device.

    The check is fast: call it before building the network.
    """
    kind = FORMATS[format]
    check(
        Path(path).suffix == kind.suffix,
        f"output: {str(path)!r} must end in '{kind.suffix}' for the format {format}.",
    )
    check_output_file(path)
    check_output_file(sidecar_path(path))
    kind.check_host()


def export_model(
    network: nn.Cell,
    path: str | Path,
    *,
    format: str,
    input_shape: Sequence[int],
    sidecar: dict[str, Any],
    dynamic_batch: bool = False,
    fp16: bool = False,
    verify: bool = True,
    compare: Compare = checked_difference,
) -> ExportReport:
    """Write ``network`` in evaluation mode to ``path``, and its metadata to ``<path>.json``.

    Each file is written atomically. The network's flags and the context are restored.

    Args:
        network: Cell from images float32 (B, C, H, W) to a tensor or a tuple of tensors.
        path: file to write; the suffix must be that of the format.
        format: one of :data:`acmix.export.FORMATS`: ``mindir``, ``onnx``, or on Ascend ``air``.
        input_shape: shape (B, C, H, W).
        sidecar: ``task``, ``model`` and ``classes`` (names), ``preprocess`` and ``post_process``
            (plain data).
        dynamic_batch: support any batch size; not available for ``air``.
        fp16: compute in float16 except norms; weights, inputs and outputs stay float32.
        verify: run the file on random images and compare its outputs with the network's.
        compare: compares them.

    Raises:
        UserError: see :func:`check_export`; or the format lacks an operator of the network, the
            graph is not an inference graph, or the outputs of file and network differ.
    """
    path = Path(path)
    check_export(path, format)
    kind = FORMATS[format]
    check(
        kind.dynamic_batch or not dynamic_batch,
        f"dynamic_batch: '{format}' has fixed shapes only.",
    )
    metadata = _make_metadata(format, input_shape, sidecar, dynamic_batch, fp16)
    with (
        staging_folder(path.parent) as folder,
        plain_path(folder) as plain,
        evaluation_mode(network),
    ):
        staged = plain / f"network{kind.suffix}"
        with half_precision(network) if fp16 else nullcontext():
            operators = write_model(network, staged, kind, metadata.input_shape)
        difference, note = None, "not verified on request"
        if verify:
            missing = kind.missing_runner()
            note = f"not verified: {missing}" if missing else ""
            if not missing:
                difference = max_difference(network, kind.load_runner(staged), metadata, compare)
        metadata = replace(metadata, sha256=sha256_of(staged))
        size = staged.stat().st_size
        publish(staged, path)
    # After a crash between the two writes, loading fails because the digests differ.
    write_text(sidecar_path(path), metadata.to_json())
    return ExportReport(path, format, size, operators, difference, note)


def _make_metadata(
    format: str,
    input_shape: Sequence[int],
    sidecar: dict[str, Any],
    dynamic_batch: bool,
    fp16: bool,
) -> SideCar:
    """Return the metadata with a placeholder for the digest."""
    keys = {"task", "model", "classes", "preprocess", "post_process"}
    check(
        sidecar.keys() == keys,
        f"sidecar: got the keys {sorted(sidecar)}; give exactly {sorted(keys)}.",
    )
    batch, *image = map(int, input_shape)
    content = {
        **sidecar,
        "format": format,
        "classes": list(sidecar["classes"]),
        "input_name": INPUT_NAME,
        "input_shape": [None if dynamic_batch else batch, *image],
        "input_dtype": "float32",
        "precision": "float16" if fp16 else "float32",
        "versions": {"acmix": __version__, "mindspore": ms.__version__},
        "sha256": 64 * "0",
    }
    return SideCar.from_dict(content, source="sidecar")
