"""Memory, communication and time of data parallel training on n devices, by formulas.

Nothing here runs a network: what one device computes in a step is a :class:`Workload`, what it can
do a :class:`~acmix.tools.plan.devices.Device`. Formulas and their sources are in ``docs/plan.md``.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from acmix.config import OptimConfig
from acmix.errors import check
from acmix.tools.plan.devices import Device

TRAINING_TO_FORWARD = 3
"""FLOPs of a training step over those of its forward pass: the backward pass computes the gradients
by the inputs and by the weights, each as large (Kaplan et al., arXiv:2001.08361, section 2.1)."""

OPTIMIZER_COPIES = {"sgd": 2, "adamw": 2}
"""Values kept for each trained parameter: momentum and a flag (MindSpore's SGD), or two moments."""

FLOAT32 = 4
LARGEST_CLUSTER = 2**16


@dataclass(frozen=True)
class Footprint:
    """Bytes on each device, by what they are for. The operators' workspace is not in it."""

    weights: int
    derived: int
    gradients: int
    optimizer: int
    average: int
    activations: int

    @property
    def total(self) -> int:
        """Sum of all."""
        return sum(vars(self).values())


@dataclass(frozen=True)
class Workload:
    """What one device does in a step; it is the same on any number of devices.

    Attributes:
        name: of the network.
        batch: images of a batch.
        accumulate: batches of a step.
        flops: of a step, forward and backward.
        half: whether it computes in float16.
        exchanged_bytes: what is averaged over the devices: gradients and running statistics.
        exchanges: in how many portions it is.
        memory: on the device.
    """

    name: str
    batch: int
    accumulate: int
    flops: float
    half: bool
    exchanged_bytes: int
    exchanges: int
    memory: Footprint

    @property
    def images(self) -> int:
        """Images of a step."""
        return self.batch * self.accumulate

    def largest_batch(self, memory: float) -> int:
        """Return the images of the largest batch that ``memory`` bytes hold, 0 if not one."""
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
    """Return what training keeps in memory.

    Weights, gradients and the optimizer's state are float32 in either precision.

    Args:
        parameters: elements of all parameters, running statistics included.
        trained: elements of those that are trained.
        statistics: elements of running statistics that change; the last good ones are kept besides.
        derived: bytes of what is made of weights alone and kept for the backward pass.
        activations: bytes of what is made of a batch and kept for the backward pass.
        optimizer: ``optim.name``.
        accumulate: batches of a step; of several the sum of gradients is kept besides.
        averaged: whether a moving average of all parameters is kept.
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
    """What a device sends to average something once, and how long that takes."""

    intra_bytes: float
    inter_bytes: float
    seconds: float

    @property
    def bytes(self) -> float:
        """Sent in all: ``2 (n - 1) / n`` times the size, the least that is possible."""
        return self.intra_bytes + self.inter_bytes


def exchange(size: int, devices: int, device: Device, portions: int = 1) -> Exchange:
    """Average ``size`` bytes over n = m k devices, m in each of k nodes.

    A ring in each node scatters and, at the end, gathers; in between every device averages its m-th
    part with those of the other nodes by halving and doubling.

    Several nodes are full, see :func:`check_devices`. The bytes go in ``portions``, one after the
    other.
    """
    members = min(devices, device.per_node)
    nodes = devices // members
    intra = 2 * (members - 1) / members * size
    inter = 2 * (nodes - 1) / nodes * size / members
    hops = 2 * (members - 1) + 2 * math.ceil(math.log2(nodes))
    seconds = (
        intra / device.intra_node + inter / device.inter_node + portions * hops * device.latency
    )
    return Exchange(intra, inter, seconds)


@dataclass(frozen=True)
class Row:
    """Training on ``devices``.

    Attributes:
        devices: n.
        global_batch: images of a step on all devices.
        learning_rate: highest of the run, after scaling to the batch.
        exchange: of a step.
        compute_seconds: of a step.
        steps: of an epoch.
        fits: whether the device's memory holds what is counted.
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
        """Seconds of a step. Nothing overlaps: the exchange waits for all gradients."""
        return self.compute_seconds + self.exchange.seconds

    @property
    def share(self) -> float:
        """Share of the exchange in a step."""
        return self.exchange.seconds / self.step_seconds

    @property
    def images_per_second(self) -> float:
        """Images per second on all devices."""
        return self.global_batch / self.step_seconds

    @property
    def epoch_seconds(self) -> float:
        """Seconds of an epoch, without evaluation."""
        return self.steps * self.step_seconds


@dataclass(frozen=True)
class Assumptions:
    """What the formulas take for granted.

    Attributes:
        efficiency: share of the device's peak that networks reach.
        images: of the training set.
        optim: the learning rate as configured, and for how many images it is meant.
        communication: share of a step in the exchange at which training no longer scales.
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
    """Raise :class:`UserError` unless a run on ``devices`` is one.

    Args:
        devices: a positive number that fills its nodes.
        device: whose nodes they are.
        step_images: that one of them takes in a step.
        images: of the training set, enough for a step of all.
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


def plan(workload: Workload, device: Device, devices: int, assumed: Assumptions) -> Row:
    """Return one row of a plan.

    Raises:
        UserError: see :func:`check_devices`.
    """
    check_devices(devices, device, workload.images, assumed.images)
    batch = workload.images * devices
    return Row(
        devices=devices,
        global_batch=batch,
        learning_rate=assumed.optim.lr * assumed.optim.rate_scale(batch),
        exchange=exchange(workload.exchanged_bytes, devices, device, workload.exchanges),
        compute_seconds=workload.flops / (device.peak(workload.half) * assumed.efficiency),
        steps=assumed.images // batch,
        fits=workload.memory.total <= device.memory,
    )


def scaling_limit(workload: Workload, device: Device, assumed: Assumptions) -> int | None:
    """Return the least number of devices whose exchange takes more than its share of a step.

    Looked at are powers of two below a node, then one node, doubled; None if it stays below on all
    of them, as many as the training set has images for.
    """
    for devices in _sizes(device.per_node):
        if devices * workload.images > assumed.images:
            return None
        if plan(workload, device, devices, assumed).share > assumed.communication:
            return devices
    return None


def _sizes(per_node: int) -> Iterable[int]:
    yield from (2**i for i in range(per_node.bit_length()) if 2**i < per_node)
    devices = per_node
    while devices <= LARGEST_CLUSTER:
        yield devices
        devices *= 2
