"""Memory, communication and time of data parallel training on n devices, by formulas.

No network runs here. A :class:`Workload` describes the step of one device, a
:class:`~acmix.tools.plan.devices.Device` its speed and memory. ``docs/plan.md`` has the formulas
and their sources.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from acmix.config import OptimConfig
from acmix.errors import check
from acmix.tools.plan.devices import Device

TRAINING_TO_FORWARD = 3
"""FLOPs of a training step over those of its forward pass. The backward pass computes gradients of
inputs and of weights, each at the same cost (Kaplan et al., arXiv:2001.08361, section 2.1)."""

RECOMPUTATION = 1
"""Forward passes that ``train.recompute`` adds: an upper bound, stem and head are not in it."""

OPTIMIZER_COPIES = {"sgd": 2, "adamw": 2}
"""Values per trained parameter: momentum and a flag (MindSpore's SGD), or two moments."""

FLOAT32 = 4
LARGEST_CLUSTER = 2**16


@dataclass(frozen=True)
class Footprint:
    """Bytes on each device, by purpose, without the operators' workspace."""

    weights: int
    derived: int
    gradients: int
    optimizer: int
    average: int
    activations: int

    @property
    def total(self) -> int:
        """Sum of all purposes."""
        return sum(vars(self).values())


@dataclass(frozen=True)
class Workload:
    """The step of one device; it does not depend on the number of devices.

    Attributes:
        name: of the network.
        batch: images per batch.
        accumulate: batches per step.
        flops: FLOPs of a step, forward and backward.
        dtype: float32, or the half precision that the network computes in.
        exchanged_bytes: bytes averaged over the devices: gradients and running statistics.
        exchanges: number of chunks in which they are averaged.
        memory: memory on the device.
    """

    name: str
    batch: int
    accumulate: int
    flops: float
    dtype: str
    exchanged_bytes: int
    exchanges: int
    memory: Footprint

    @property
    def half(self) -> bool:
        """Whether the network computes in half precision."""
        return self.dtype != "float32"

    @property
    def images(self) -> int:
        """Images per step."""
        return self.batch * self.accumulate

    def largest_batch(self, memory: float) -> int:
        """Return the largest batch that fits into ``memory`` bytes; 0 if none does."""
        fixed = self.memory.total - self.memory.activations
        return max(0, int((memory - fixed) * self.batch / self.memory.activations))


def footprint(
    *,
    parameters: int,
    trained: int,
    statistics: int,
    derived: int,
    activations: int,
    optimizer: str,
    accumulate: int,
    averaged: bool,
) -> Footprint:
    """Return the memory that training takes.

    Weights, gradients and optimizer state are float32 in either precision.

    Args:
        parameters: elements of all parameters, running statistics included.
        trained: elements of trained parameters.
        statistics: elements of running statistics that change; training also keeps a backup.
        derived: bytes saved for the backward pass that depend on weights alone.
        activations: bytes saved for the backward pass that depend on the batch.
        optimizer: ``optim.name``.
        accumulate: batches per step; more than one adds a buffer for summed gradients.
        averaged: whether training keeps a moving average of all parameters.
    """
    return Footprint(
        weights=FLOAT32 * (parameters + statistics),
        derived=derived,
        gradients=FLOAT32 * trained * (2 if accumulate > 1 else 1),
        optimizer=FLOAT32 * trained * OPTIMIZER_COPIES[optimizer],
        average=FLOAT32 * parameters if averaged else 0,
        activations=activations,
    )


@dataclass(frozen=True)
class Exchange:
    """Bytes that a device sends in one all-reduce, and its duration."""

    intra_bytes: float
    inter_bytes: float
    seconds: float

    @property
    def bytes(self) -> float:
        """Total bytes sent: ``2 (n - 1) / n`` times the size, which is the minimum."""
        return self.intra_bytes + self.inter_bytes


def exchange(size: int, devices: int, device: Device, chunks: int = 1) -> Exchange:
    """Return the cost of averaging ``size`` bytes over n = m k devices, m in each of k nodes.

    A ring in each node reduce-scatters and finally all-gathers. In between, every device averages
    its m-th part with the other nodes by halving and doubling.

    Several nodes must be full, see :func:`check_devices`. Chunks are sent one after another.
    """
    members = min(devices, device.per_node)
    nodes = devices // members
    intra = 2 * (members - 1) / members * size
    inter = 2 * (nodes - 1) / nodes * size / members
    hops = 2 * (members - 1) + 2 * math.ceil(math.log2(nodes))
    seconds = intra / device.intra_node + inter / device.inter_node + chunks * hops * device.latency
    return Exchange(intra, inter, seconds)


@dataclass(frozen=True)
class PlanRow:
    """Training on a number of devices.

    Attributes:
        devices: number of devices.
        global_batch: images per step on all devices.
        learning_rate: maximum of the run, after scaling to the batch.
        exchange: all-reduce of a step.
        compute_seconds: seconds of computation per step.
        steps: steps per epoch.
        fits: whether the counted memory fits into the device's.
    """

    devices: int
    global_batch: int
    learning_rate: float
    exchange: Exchange
    compute_seconds: float
    steps: int
    fits: bool

    @property
    def step_seconds(self) -> float:
        """Seconds per step, without overlap: the exchange waits for all gradients."""
        return self.compute_seconds + self.exchange.seconds

    @property
    def share(self) -> float:
        """Share of a step that the exchange takes."""
        return self.exchange.seconds / self.step_seconds

    @property
    def images_per_second(self) -> float:
        """Images per second on all devices."""
        return self.global_batch / self.step_seconds

    @property
    def epoch_seconds(self) -> float:
        """Seconds per epoch, without evaluation."""
        return self.steps * self.step_seconds


@dataclass(frozen=True)
class Assumptions:
    """Assumptions of the formulas.

    Attributes:
        efficiency: share of the device's peak that networks reach.
        images: size of the training set.
        optim: configured learning rate and its reference batch size.
        communication: share of the exchange in a step above which training does not scale.
    """

    efficiency: float
    images: int
    optim: OptimConfig
    communication: float

    def __post_init__(self) -> None:
        check(
            0 < self.efficiency <= 1,
            f"--efficiency must be above 0 and at most 1, got {self.efficiency}.",
        )
        check(
            0 < self.communication < 1,
            f"--communication must be between 0 and 1, got {self.communication}.",
        )


def check_devices(devices: int, device: Device, step_images: int, images: int) -> None:
    """Raise :class:`UserError` unless a run on ``devices`` is possible.

    Args:
        devices: number of devices; positive, and a multiple of full nodes if several.
        device: figures of each device.
        step_images: images per step and device.
        images: size of the training set, at least one step of all devices.
    """
    check(devices >= 1, f"--devices must be at least 1, got {devices}.")
    check(
        devices <= device.per_node or devices % device.per_node == 0,
        f"--devices {devices} does not fill nodes of {device.per_node}; give a multiple of it.",
    )
    check(
        step_images * devices <= images,
        f"--devices {devices}: a step takes {step_images * devices} images, the training set has "
        f"{images}; name fewer devices or lower data.batch_size or train.accumulate.",
    )


def plan_row(workload: Workload, device: Device, devices: int, assumed: Assumptions) -> PlanRow:
    """Return the row of a plan for a number of devices.

    Raises:
        UserError: see :func:`check_devices`.
    """
    check_devices(devices, device, workload.images, assumed.images)
    batch = workload.images * devices
    return PlanRow(
        devices=devices,
        global_batch=batch,
        learning_rate=assumed.optim.lr * assumed.optim.rate_scale(batch),
        exchange=exchange(workload.exchanged_bytes, devices, device, workload.exchanges),
        compute_seconds=workload.flops / (device.peak(workload.half) * assumed.efficiency),
        steps=assumed.images // batch,
        fits=workload.memory.total <= device.memory,
    )


def scaling_limit(workload: Workload, device: Device, assumed: Assumptions) -> int | None:
    """Return the smallest number of devices whose exchange exceeds its share of a step.

    Tries powers of two below a node, then one node and its doublings. The training set bounds
    them. Returns None if all stay below.
    """
    for devices in _sizes(device.per_node):
        if devices * workload.images > assumed.images:
            return None
        if plan_row(workload, device, devices, assumed).share > assumed.communication:
            return devices
    return None


def _sizes(per_node: int) -> Iterable[int]:
    yield from (2**i for i in range(per_node.bit_length()) if 2**i < per_node)
    devices = per_node
    while devices <= LARGEST_CLUSTER:
        yield devices
        devices *= 2
