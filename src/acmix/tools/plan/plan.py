"""``acmix plan``: plans of distributed runs, from configurations."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence

import mindspore as ms
import numpy as np
from mindspore import Parameter, Tensor

from acmix.config import Config
from acmix.engine.moving_statistics import running_statistics
from acmix.environment import usable_cores
from acmix.parallel.all_reduce import bucket_size, buckets
from acmix.tasks import get_task
from acmix.tools.analysis.macs import trace
from acmix.tools.bench.loopback import loopback_bandwidth
from acmix.tools.bench.peak import measured_peak
from acmix.tools.graphs import step_graph
from acmix.tools.plan.activations import saved_for_backward
from acmix.tools.plan.devices import THIS_MACHINE, Device, find_device
from acmix.tools.plan.formulas import (
    FLOAT32,
    RECOMPUTATION,
    TRAINING_TO_FORWARD,
    Assumptions,
    Workload,
    check_devices,
    footprint,
    plan_row,
    scaling_limit,
)
from acmix.tools.plan.report import ClusterPlan
from acmix.utils.modes import built_for
from acmix.utils.progress import ProgressLine
from acmix.workflows.runs import build_model

_COUNTED = 2  # images of the compiled step; mixing samples needs two


def plan_config(
    config: Config,
    devices: Sequence[int],
    *,
    device: str = "ascend-910",
    efficiency: float = 0.3,
    images: int | None = None,
    communication: float = 0.2,
) -> ClusterPlan:
    """Plan the training of a configuration on several numbers of devices.

    Reads neither data nor weights. Without ``model.num_classes`` the network has the classes of
    the task's benchmark, such as ImageNet. It runs once on one image to count multiply-adds. Its
    training step is compiled to find the saved activations, which takes minutes for a large
    network.

    Args:
        config: configuration of the run.
        devices: numbers of devices, one row each.
        device: name in ``acmix/tools/plan/devices.yaml``, a YAML file of figures, or
            ``this-machine``.
        efficiency: share of the device's peak that training reaches.
        images: size of the training set; None for that of the task's benchmark, such as ImageNet.
        communication: share of the exchange in a step above which training does not scale.

    Raises:
        UserError: an argument is out of range, ``device`` is unknown, or the network cannot be
            built. Insufficient memory is a result, not an error.
    """
    figures = this_machine() if device == THIS_MACHINE else find_device(device)
    assumed = Assumptions(
        efficiency=efficiency,
        images=get_task(config.task).benchmark.training_images if images is None else images,
        optim=config.optim,
        communication=communication,
    )
    of_device = config.data.batch_size * config.train.accumulate
    for number in devices:  # before the slow compilation
        check_devices(number, figures, of_device, assumed.images)
    workload = workload_of(config, "CPU" if device == THIS_MACHINE else "Ascend")
    return ClusterPlan(
        workload=workload,
        device_name=device,
        device=figures,
        assumed=assumed,
        epochs=config.train.epochs,
        steps=config.train.steps,
        rows=tuple(plan_row(workload, figures, number, assumed) for number in devices),
        limit=scaling_limit(workload, figures, assumed),
    )


def workload_of(config: Config, built: str = "Ascend") -> Workload:
    """Build the network and count the training step of one device.

    Args:
        config: configuration of the run.
        built: device target whose formulations determine the activations.
    """
    task = get_task(config.task)
    classes = config.model.num_classes or task.benchmark.num_classes
    shape = task.image_shape(config)
    model = build_model(config, classes)
    # The losses: heads that only training has, and its number of proposals.
    targets = task.random_targets(model, (1, *shape), np.random.default_rng(0))
    network = task.benchmark_objective(model).train_network
    with ProgressLine(f"running {config.network_name} on one image, to count its work"):
        traced = trace(network, (1, *shape), *map(Tensor, targets))
    batch, accumulate = config.data.batch_size, config.train.accumulate
    passes = TRAINING_TO_FORWARD + (RECOMPUTATION if config.train.recompute else 0)
    trained = model.trainable_params()
    statistics = running_statistics(model)
    compiling = ProgressLine(f"compiling the training step of {config.network_name}")
    with compiling, built_for(built):
        images = Tensor(shape=(_COUNTED, *shape), dtype=ms.float32)
        graph = step_graph(config, build_model(config, classes), images, classes)
        saved = saved_for_backward(graph)
    return Workload(
        name=config.network_name,
        batch=batch,
        accumulate=accumulate,
        flops=2.0 * passes * traced.macs * batch * accumulate,
        dtype=config.train.dtype,
        exchanged_bytes=FLOAT32 * _elements([*trained, *statistics]),
        exchanges=sum(
            len(buckets(tuple(p.shape for p in group), bucket_size(built)))
            for group in (trained, statistics)
        ),
        memory=footprint(
            parameters=_elements(model.get_parameters()),
            trained=_elements(trained),
            statistics=_elements(statistics),
            derived=saved.of_weights,
            activations=saved.of_batch * batch // _COUNTED,
            optimizer=config.optim.name,
            accumulate=accumulate,
            averaged=config.train.ema_decay is not None,
        ),
    )


def _elements(parameters: Iterable[Parameter]) -> int:
    return sum(parameter.size for parameter in parameters)


def this_machine() -> Device:
    """Measure this process as a device; a node has as many as its cores have threads for."""
    threads = int(os.environ.get("OMP_NUM_THREADS", 0)) or usable_cores()
    peak, link = measured_peak(), loopback_bandwidth()
    measured = f"measured in this process with {threads} threads"
    return Device(
        peak_fp16=peak,
        peak_fp32=peak,
        memory=os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"),
        per_node=max(1, usable_cores() // threads),
        intra_node=link,
        inter_node=link,
        latency=0.0,
        source={
            "peak_fp16": "as peak_fp32: the processor computes in float32",
            "peak_fp32": f"{measured}, by acmix.tools.bench.peak",
            "memory": "of the whole machine",
            "per_node": "cores by threads",
            "intra_node": "measured through a socket of the loopback",
            "inter_node": "as intra_node",
            "latency": "left out",
        },
    )
