"""Peak of the machine: the largest rate of multiply-adds that anything has shown in a run.

A large matrix product alone is no limit. Where its library runs with fewer threads, or convolutions
find their operands in a cache, networks are faster than it. So several products and convolutions
take turns with the networks, and the fastest of all, networks included, is the peak.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import numpy as np
from mindspore import Tensor, nn, ops
from threadpoolctl import ThreadpoolController

from acmix.environment import usable_cores
from acmix.export.formats import FORMATS
from acmix.export.writer import write_model
from acmix.tools.bench.timing import Timing, measure
from acmix.utils.target import current_target

MATMUL_SIZE = 2048
"""Rows and columns of the multiplied matrices."""
MAPS = (8, 256, 14, 14)
"""(B, C, H, W) of what is convolved to as many channels: 1.6 MB, which caches of a core hold."""
_KERNELS = (3, 1)


class Peak(NamedTuple):
    """The largest rate, in GFLOP/s (two for a multiply-add), and what showed it."""

    gflops: float
    source: str


class Probe(NamedTuple):
    """A large product: its multiply-adds, and a call that computes it once."""

    macs: int
    call: Callable[[], object]


def probes() -> dict[str, Probe]:
    """Return float32 products and convolutions for the device, by name.

    On CPU they include NumPy's product on all cores of the process, whatever the environment says
    of threads, and the convolutions of ONNX Runtime where it is installed.
    """
    values = np.random.default_rng(0).standard_normal((2, MATMUL_SIZE, MATMUL_SIZE))
    own = values.astype(np.float32)
    left, right = map(Tensor, own)
    of = f"product of {MATMUL_SIZE} x {MATMUL_SIZE}"
    found = {f"MindSpore's {of}": Probe(MATMUL_SIZE**3, lambda: ops.matmul(left, right))}
    maps = np.random.default_rng(0).standard_normal(MAPS).astype(np.float32)
    convs = {f"{k} x {k} convolution": _conv(k) for k in _KERNELS}
    for name, conv in convs.items():
        found[f"MindSpore's {name}"] = Probe(_macs(conv), _on_device(conv, Tensor(maps)))
    if current_target().name != "CPU":
        return found
    found[f"NumPy's {of}"] = Probe(MATMUL_SIZE**3, _on_all_cores(lambda: own[0] @ own[1]))
    if find_spec("onnxruntime") is not None:
        for name, conv in convs.items():
            found[f"ONNX Runtime's {name}"] = Probe(_macs(conv), _in_onnxruntime(conv, maps))
    return found


def rate(macs: int, timing: Timing) -> float:
    """Return the largest rate of a call in GFLOP/s, over its rounds."""
    return 2 * macs / min(timing.seconds) / 1e9


def peak_of(measured: Iterable[tuple[Probe, Timing]]) -> Peak:
    """Return the peak of measured probes."""
    return max(Peak(rate(probe.macs, timing), timing.name) for probe, timing in measured)


def measured_peak() -> float:
    """Measure the peak of this process, in FLOP/s."""
    made = probes()
    timings = measure({name: probe.call for name, probe in made.items()}, warmup=1, repeats=3)
    return 1e9 * peak_of(zip(made.values(), timings, strict=True)).gflops


def _conv(kernel_size: int) -> nn.Conv2d:
    return nn.Conv2d(MAPS[1], MAPS[1], kernel_size, pad_mode="same", has_bias=False)


def _macs(conv: nn.Conv2d) -> int:
    return MAPS[0] * MAPS[2] * MAPS[3] * conv.weight.size


def _on_device(conv: nn.Cell, maps: Tensor) -> Callable[[], object]:
    return lambda: conv(maps)


def _on_all_cores(call: Callable[[], object]) -> Callable[[], object]:
    controller, cores = ThreadpoolController(), usable_cores()

    def run() -> object:
        with controller.limit(limits=cores, user_api="blas"):
            return call()

    return run


def _in_onnxruntime(conv: nn.Cell, maps: np.ndarray) -> Callable[[], object]:
    format = FORMATS["onnx"]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / f"conv{format.suffix}"
        write_model(conv.set_train(False), file, format, maps.shape)
        run = format.load_runner(file)
    return lambda: run(maps)
