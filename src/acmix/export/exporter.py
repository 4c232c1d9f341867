"""Write a network as MindIR, ONNX or AIR with its side-car, and prove that the file is right."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import mindspore as ms
from mindspore import nn

from acmix.errors import check, suggest
from acmix.export.predictor import can_run, load_runner
from acmix.export.sidecar import FORMATS, SideCar, sidecar_path
from acmix.export.verify import max_difference
from acmix.export.writer import INPUT_NAME, half_precision, write_model
from acmix.utils.files import publish, sha256_of, staging_folder, write_text
from acmix.utils.modes import evaluation_mode
from acmix.utils.target import current_target
from acmix.version import __version__

_MISSING_RUNNER = {
    "onnx": "pip install acmix[onnx]",
    "air": "AIR is read by ATC only",
}


@dataclass(frozen=True)
class ExportReport:
    """What was written and how it was checked.

    Attributes:
        path: The model file; its side-car is ``<path>.json``.
        format: ``mindir``, ``onnx`` or ``air``.
        bytes: Size of the model file.
        operators: Number of primitives by type in the graph.
        max_abs_diff: Largest difference between file and network on random images; ``None``
            when the file was not run.
        note: Why it was not run, else empty.
    """

    path: Path
    format: str
    bytes: int
    operators: dict[str, int]
    max_abs_diff: float | None
    note: str


def check_export(path: str | Path, format: str) -> None:
    """Raise :class:`UserError` unless ``path`` can be written as ``format`` on this device.

    Cheap: call it before the network is built.
    """
    check(format in FORMATS, f"format: {format!r} is unknown." + suggest(format, FORMATS))
    check(
        Path(path).suffix == f".{format}",
        f"output: {str(path)!r} must end in '.{format}' for the format {format}.",
    )
    check(not Path(path).is_dir(), f"output: {path} is a folder; name a file.")
    check(
        format != "air" or current_target().name == "Ascend",
        "format: 'air' can be written on Ascend only, this process runs on "
        f"{current_target().name}; use mindir and convert it on the target.",
    )


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
) -> ExportReport:
    """Write ``network`` in evaluation mode to ``path`` and its side-car to ``<path>.json``.

    Both files appear whole or not at all. The network's flags and the context are restored.

    Args:
        network: Cell from images float32 (B, C, H, W) to a tensor or a tuple of tensors.
        path: File to write; its suffix must be the format's.
        format: ``mindir``, ``onnx``, or on Ascend ``air``.
        input_shape: Shape (B, C, H, W).
        sidecar: ``task``, ``model`` and ``classes`` (names), ``preprocess`` and ``post_process``
            (plain data).
        dynamic_batch: Let the file take any batch size (not for ``air``).
        fp16: Compute in float16 but for the norms; weights, inputs and outputs stay float32.
        verify: Run the file on random images and compare it with the network.

    Raises:
        UserError: See :func:`check_export`; or the format lacks an operator of the network, the
            graph is not an inference graph, or the file does not compute what the network does.
    """
    path = Path(path)
    check_export(path, format)
    check(not (dynamic_batch and format == "air"), "dynamic_batch: 'air' has fixed shapes only.")
    described = _describe(format, input_shape, sidecar, dynamic_batch, fp16)
    with staging_folder(path.parent) as folder, evaluation_mode(network):
        staged = folder / path.name
        with half_precision(network) if fp16 else nullcontext():
            operators = write_model(network, staged, format, described.input_shape)
        difference, note = None, "not verified on request"
        if verify and can_run(format):
            difference, note = max_difference(network, load_runner(staged, format), described), ""
        elif verify:
            note = f"not verified: {_MISSING_RUNNER[format]}"
        described = replace(described, sha256=sha256_of(staged))
        size = staged.stat().st_size
        publish(staged, path)
    # A crash in between leaves a side-car whose digest does not fit, which loading refuses.
    write_text(sidecar_path(path), described.to_json())
    return ExportReport(path, format, size, operators, difference, note)


def _describe(
    format: str,
    input_shape: Sequence[int],
    sidecar: dict[str, Any],
    dynamic_batch: bool,
    fp16: bool,
) -> SideCar:
    """The side-car, with a digest still to come."""
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
