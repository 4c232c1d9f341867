"""What runs a network when it is measured: this process, or a file in another runtime."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import mindspore as ms
import numpy as np
from mindspore import nn

from acmix.bench import Prepare, on_device, with_transfer
from acmix.choices import BENCH_BACKENDS
from acmix.errors import check, suggest
from acmix.export.predictor import load_runner
from acmix.export.writer import write_model
from acmix.utils.target import current_target

_MISSING = {
    "onnxruntime": ("onnxruntime", "pip install acmix[onnx]"),
    "lite": (
        "mindspore_lite",
        "its wheel for your device is not on PyPI; download MindSpore Lite of MindSpore's version "
        "from https://www.mindspore.cn/lite (on Ascend the one with Ascend inference)",
    ),
}


def check_backend(backend: str) -> None:
    """Raise :class:`UserError` unless ``backend`` is known and installed here."""
    check(
        backend in BENCH_BACKENDS,
        f"backend: '{backend}' is unknown.{suggest(backend, BENCH_BACKENDS)}",
    )
    if backend in _MISSING:
        package, remedy = _MISSING[backend]
        check(
            find_spec(package) is not None,
            f"backend: '{backend}' needs the package {package}, which is not installed: {remedy}.",
        )
    target = current_target().name
    check(
        backend != "onnxruntime" or target == "CPU",
        f"backend: 'onnxruntime' runs on CPU here, the device is {target}; add --device CPU.",
    )


def by_backend(network: nn.Cell, backend: str, transfer: bool, folder: Path) -> Prepare:
    """Return how to measure ``network`` on a back end.

    Args:
        network: in evaluation mode.
        backend: one of :data:`acmix.choices.BENCH_BACKENDS`.
        transfer: whether copies to and from the device are measured.
        folder: for exported files; it must live as long as the measurement.
    """
    measured = with_transfer if transfer else on_device
    if backend == "mindspore":
        return measured(network)

    def prepare(images: np.ndarray) -> Callable[[], object]:
        file = _exported(network, backend, images.shape, folder)
        if backend == "mindir":
            return measured(nn.GraphCell(ms.load(str(file))))(images)
        if backend == "lite":
            return _lite(file, images, transfer)
        run = load_runner(file, "onnx")  # on CPU: there is nothing to copy
        return lambda: run(images)

    return prepare


def _exported(network: nn.Cell, backend: str, shape: tuple[int, ...], folder: Path) -> Path:
    format = "onnx" if backend == "onnxruntime" else "mindir"
    file = folder / f"{len(list(folder.iterdir()))}.{format}"
    write_model(network, file, format, shape)
    return file


def _lite(file: Path, images: np.ndarray, transfer: bool) -> Callable[[], object]:
    import mindspore_lite as lite

    context = lite.Context()
    context.target = [current_target().name.lower()]
    model = lite.Model()
    model.build_from_file(str(file), lite.ModelType.MINDIR, context)
    inputs = model.get_inputs()
    inputs[0].set_data_from_numpy(images)

    def run() -> object:
        return model.predict(inputs)

    def run_and_copy() -> list[np.ndarray]:
        inputs[0].set_data_from_numpy(images)
        return [output.get_data_to_numpy() for output in model.predict(inputs)]

    return run_and_copy if transfer else run
