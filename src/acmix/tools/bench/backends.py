"""Back ends that run a measured network: this process, or a runtime for an exported file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from mindspore import nn

from acmix.errors import check, suggest
from acmix.export.formats import FORMATS, format_of
from acmix.export.formats.mindir import load_network
from acmix.export.formats.onnx import INSTALL
from acmix.export.writer import write_model
from acmix.tools.bench.candidates import Prepare, on_device, with_transfer
from acmix.tools.bench.setting import BENCH_BACKENDS
from acmix.utils.target import current_target


@dataclass(frozen=True)
class _Runtime:
    """A runtime for exported files.

    Attributes:
        format: of the file.
        load: takes the file, a batch of images and whether to measure copies; returns the call to
            measure.
        package: required package; empty if MindSpore suffices.
        remedy: how to install the package.
        only_on: device target it requires; empty for any.
    """

    format: str
    load: Callable[[Path, np.ndarray, bool], Callable[[], object]]
    package: str = ""
    remedy: str = ""
    only_on: str = ""


def check_backend(backend: str) -> None:
    """Raise :class:`UserError` unless ``backend`` is known and installed here."""
    check(
        backend in BENCH_BACKENDS,
        f"backend: '{backend}' is unknown.{suggest(backend, BENCH_BACKENDS)}",
    )
    if backend not in _RUNTIMES:
        return
    runtime = _RUNTIMES[backend]
    check(
        not runtime.package or find_spec(runtime.package) is not None,
        f"backend: '{backend}' needs the package {runtime.package}, which is not installed: "
        f"{runtime.remedy}.",
    )
    target = current_target().name
    check(
        runtime.only_on in ("", target),
        f"backend: '{backend}' runs on {runtime.only_on} here, the device is {target}; "
        f"add --device {runtime.only_on}.",
    )


def by_backend(network: nn.Cell, backend: str, transfer: bool, folder: Path) -> Prepare:
    """Return a candidate that runs ``network`` on a back end.

    Args:
        network: in evaluation mode.
        backend: one of :data:`acmix.tools.bench.setting.BENCH_BACKENDS`.
        transfer: include copies to and from the device.
        folder: for exported files; must exist until the measurement ends.
    """
    if backend not in _RUNTIMES:
        return _in_process(network, transfer)
    runtime = _RUNTIMES[backend]
    format = FORMATS[runtime.format]

    def prepare(images: np.ndarray) -> Callable[[], object]:
        file = folder / f"{len(list(folder.iterdir()))}{format.suffix}"
        write_model(network, file, format, images.shape)
        return runtime.load(file, images, transfer)

    return prepare


def _in_process(network: nn.Cell, transfer: bool) -> Prepare:
    return (with_transfer if transfer else on_device)(network)


def _mindir(file: Path, images: np.ndarray, transfer: bool) -> Callable[[], object]:
    return _in_process(load_network(file), transfer)(images)


def _onnxruntime(file: Path, images: np.ndarray, transfer: bool) -> Callable[[], object]:
    run = format_of(file).load_runner(file)  # on CPU, which needs no copies
    return lambda: run(images)


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


_RUNTIMES = {
    "mindir": _Runtime("mindir", _mindir),
    "onnxruntime": _Runtime("onnx", _onnxruntime, "onnxruntime", INSTALL, only_on="CPU"),
    "lite": _Runtime(
        "mindir",
        _lite,
        "mindspore_lite",
        "its wheel for your device is not on PyPI; download MindSpore Lite of MindSpore's version "
        "from https://www.mindspore.cn/lite (on Ascend the one with Ascend inference)",
    ),
}
"""Runtimes by back end; other back ends run in this process."""
