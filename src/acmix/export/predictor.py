"""Exported files as functions from images to outputs."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from acmix.errors import UserError, check
from acmix.export.sidecar import SideCar, read_sidecar
from acmix.utils.files import sha256_of

Outputs = np.ndarray | tuple[np.ndarray, ...]


class Predictor:
    """An exported network; call it with images float32 (B, C, H, W) to get its outputs.

    The images must have gone through the transform of ``sidecar.preprocess``.
    """

    def __init__(self, run: Callable[[np.ndarray], Outputs], sidecar: SideCar):
        self._run = run
        self.sidecar = sidecar

    def __call__(self, images: np.ndarray) -> Outputs:
        """The outputs for ``images``, a tuple when the network has several.

        Raises:
            UserError: The shape is not the exported one. MindIR would take a wrong batch size
                without a word and may then answer from shapes folded into the graph.
        """
        images = np.ascontiguousarray(images, dtype=self.sidecar.input_dtype)
        self.sidecar.check_input_shape(images.shape)
        return self._run(images)


def load_exported(path: str | Path) -> Predictor:
    """Load a file written by :func:`acmix.export.export_model`.

    Args:
        path: A ``.mindir`` or ``.onnx`` file with its side-car ``<path>.json``.

    Raises:
        UserError: A file is missing, the side-car is invalid or belongs to another model file,
            or nothing installed here runs the format.
    """
    path = Path(path)
    check(path.is_file(), f"model: {path} does not exist; 'acmix export' writes one.")
    sidecar = read_sidecar(path)
    check(
        sha256_of(path) == sidecar.sha256,
        f"model: {path} is not the file its side-car describes (sha256 differs); "
        "copy both again, or export again.",
    )
    return Predictor(load_runner(path, sidecar.format), sidecar)


def load_runner(path: Path, format: str) -> Callable[[np.ndarray], Outputs]:
    """The function an exported file computes, without checks of its input."""
    if format == "mindir":
        return _mindir_runner(path)
    if format == "onnx":
        return _onnx_runner(path)
    raise UserError(f"model: {path} is AIR, which only ATC and Ascend read; export to mindir.")


def can_run(format: str) -> bool:
    """Whether :func:`load_runner` has what it needs here."""
    return format == "mindir" or (format == "onnx" and find_spec("onnxruntime") is not None)


def _mindir_runner(path: Path) -> Callable[[np.ndarray], Outputs]:
    import mindspore as ms

    try:
        network = ms.nn.GraphCell(ms.load(str(path)))
    except RuntimeError as error:
        raise UserError(f"model: MindSpore cannot load {path}: {error}") from error

    def run(images: np.ndarray) -> Outputs:
        return to_numpy(network(ms.Tensor(images)))

    return run


def _onnx_runner(path: Path) -> Callable[[np.ndarray], Outputs]:
    if not can_run("onnx"):
        raise UserError(f"model: {path} needs onnxruntime: pip install acmix[onnx]")
    import onnxruntime

    try:
        session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's own exception classes are not public
        raise UserError(f"model: onnxruntime cannot load {path}: {error}") from error
    (source,) = session.get_inputs()

    def run(images: np.ndarray) -> Outputs:
        outputs = session.run(None, {source.name: images})
        return outputs[0] if len(outputs) == 1 else tuple(outputs)

    return run


def to_numpy(outputs) -> Outputs:
    """Tensor or tuple of tensors as arrays."""
    if isinstance(outputs, (tuple, list)):
        return tuple(output.asnumpy() for output in outputs)
    return outputs.asnumpy()
