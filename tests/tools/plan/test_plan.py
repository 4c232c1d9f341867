"""The formulas of a plan, against an exchange that is carried out and figures worked by hand."""

from __future__ import annotations

import json

import numpy as np
import pytest

from acmix.config import OptimConfig
from acmix.errors import UserError
from acmix.tools.plan.devices import Device, find_device, known_devices
from acmix.tools.plan.formulas import (
    Assumptions,
    Footprint,
    Workload,
    exchange,
    footprint,
    plan_row,
    scaling_limit,
)
from acmix.tools.plan.report import ClusterPlan

FIGURES = {"peak_fp16": 100e12, "peak_fp32": 25e12, "memory": 1000, "per_node": 8,
           "intra_node": 10e9, "inter_node": 1e9, "latency": 0, "source": {}}  # fmt: skip


def device(**changes):
    return Device.from_dict({**FIGURES, **changes})


def workload(**changes):
    memory = Footprint(
        weights=100, derived=50, gradients=100, optimizer=200, average=0, activations=400
    )
    given = {"name": "net", "batch": 4, "accumulate": 2, "flops": 30e9, "dtype": "bfloat16",
             "exchanged_bytes": 10**7, "exchanges": 1, "memory": memory}  # fmt: skip
    return Workload(**{**given, **changes})


def assumed(**changes):
    given = {"efficiency": 0.5, "images": 10_000, "optim": OptimConfig(lr=0.1),
             "communication": 0.2}  # fmt: skip
    return Assumptions(**{**given, **changes})


class Cluster:
    """Devices that average vectors by messages, every one of which is counted."""

    def __init__(self, nodes, members, size, rng):
        self.nodes, self.members = nodes, members
        self.values = rng.standard_normal((nodes, members, size))
        self.intra, self.inter = np.zeros((nodes, members)), np.zeros((nodes, members))

    def average(self):
        mean = self.values.mean((0, 1))
        parts = np.split(np.arange(self.values.shape[2]), self.members)
        self._ring(parts, first=0, add=True)
        for owner in range(self.members):
            self._halve_and_double(owner, parts[(owner + 1) % self.members])
        self._ring(parts, first=1, add=False)
        return np.abs(self.values / (self.nodes * self.members) - mean).max()

    def _ring(self, parts, first, add):
        for step in range(self.members - 1):
            sent = self.values.copy()
            for member in range(self.members):
                part = parts[(member + first - step) % self.members]
                to = (member + 1) % self.members
                old = self.values[:, to, part] if add else 0
                self.values[:, to, part] = old + sent[:, member][:, part]
                self.intra[:, member] += part.size

    def _halve_and_double(self, member, part):
        held = [part] * self.nodes
        distances = [2**i for i in range(self.nodes.bit_length() - 1)]
        history = []
        for distance in reversed(distances):
            sent, before = self.values[:, member].copy(), list(held)
            history.append(before)
            for node in range(self.nodes):
                low, high = np.split(before[node], 2)
                keep, give = (high, low) if node & distance else (low, high)
                self.values[node, member, keep] += sent[node ^ distance, keep]
                self.inter[node, member] += give.size
                held[node] = keep
        for distance in distances:
            sent, before = self.values[:, member].copy(), list(held)
            held = history.pop()
            for node in range(self.nodes):
                taken = before[node ^ distance]
                self.values[node, member, taken] = sent[node ^ distance, taken]
                self.inter[node, member] += before[node].size


@pytest.mark.parametrize(("nodes", "members"), [(1, 1), (1, 2), (1, 8), (2, 8), (4, 8), (8, 2)])
def test_the_volume_is_that_of_an_exchange_carried_out(nodes, members, rng):
    size = 2 * nodes * members
    cluster = Cluster(nodes, members, size, rng)
    assert cluster.average() < 1e-12
    found = exchange(size, nodes * members, device(per_node=members))
    assert found.intra_bytes == pytest.approx(cluster.intra.max())
    assert found.inter_bytes == pytest.approx(cluster.inter.max())
    number = nodes * members
    assert found.bytes == pytest.approx(2 * (number - 1) / number * size)


def test_the_time_of_an_exchange_worked_by_hand():
    """16 devices: 14 hops in the node, 2 between two nodes; 1.75 S at 10 GB/s, S / 8 at 1 GB/s."""
    found = exchange(8 * 10**8, 16, device(latency=1e-3))
    assert found.seconds == pytest.approx(0.14 + 0.1 + 16e-3)
    assert exchange(8 * 10**8, 16, device(latency=1e-3), 3).seconds == pytest.approx(0.288)
    assert exchange(8 * 10**8, 1, device(latency=1e-3)).seconds == 0


def test_a_row_worked_by_hand():
    """30 GFLOP at 50 TFLOP/s take 0.6 ms, 17.5 MB at 10 GB/s 1.75 ms."""
    row = plan_row(workload(), device(), 8, assumed(optim=OptimConfig(lr=0.1, lr_batch=32)))
    assert row.global_batch == 64
    assert row.learning_rate == pytest.approx(0.2)
    assert row.compute_seconds == pytest.approx(0.6e-3)
    assert row.exchange.seconds == pytest.approx(1.75e-3)
    assert row.share == pytest.approx(1.75 / 2.35)
    assert row.steps == 10_000 // 64
    assert row.epoch_seconds == pytest.approx(156 * 2.35e-3)
    assert row.images_per_second == pytest.approx(64 / 2.35e-3)
    assert row.fits
    assert not plan_row(workload(), device(memory=849), 8, assumed()).fits
    full = workload(dtype="float32")
    assert plan_row(full, device(), 8, assumed()).compute_seconds == pytest.approx(2.4e-3)


def test_a_learning_rate_without_a_batch_is_taken_as_it_is():
    assert plan_row(workload(), device(), 64, assumed()).learning_rate == 0.1


def test_a_footprint_worked_by_hand():
    given = {
        "parameters": 11,
        "trained": 10,
        "statistics": 0,
        "derived": 5,
        "activations": 7,
        "optimizer": "adamw",
    }
    plain = footprint(**given, accumulate=1, averaged=False)
    assert vars(plain) == {"weights": 44, "derived": 5, "gradients": 40, "optimizer": 80,
                           "average": 0, "activations": 7}  # fmt: skip
    full = footprint(**{**given, "statistics": 2}, accumulate=4, averaged=True)
    assert (full.gradients, full.average) == (80, 44)
    assert full.total == 52 + 5 + 80 + 80 + 44 + 7


def test_the_largest_batch_is_the_last_that_fits():
    work = workload()  # 450 bytes and 100 for each image
    assert work.largest_batch(850) == 4
    assert work.largest_batch(849) == 3
    assert work.largest_batch(100) == 0


def test_scaling_ends_where_the_first_row_says_so():
    """Between full nodes only: 1 GB/s there makes the exchange of 16 devices the first too long."""
    work, slow = workload(flops=500e9), device()
    limit = scaling_limit(work, slow, assumed())
    assert limit == 16
    assert plan_row(work, slow, 16, assumed()).share > 0.2
    assert plan_row(work, slow, 8, assumed()).share <= 0.2
    assert scaling_limit(workload(flops=1e15), slow, assumed()) is None


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (lambda: plan_row(workload(), device(), 0, assumed()), "at least 1, got 0"),
        (lambda: plan_row(workload(), device(), 12, assumed()), "12 does not fill nodes of 8"),
        (
            lambda: plan_row(workload(), device(), 8, assumed(images=63)),
            r"takes 64 images, .* has 63",
        ),
        (lambda: assumed(efficiency=0), "--efficiency must be"),
        (lambda: assumed(efficiency=1.2), "got 1.2"),
        (lambda: assumed(communication=1), "--communication must be"),
        (lambda: device(memory=0), "device.memory must be a number > 0"),
        (lambda: find_device("ascend-911"), "Did you mean .*'ascend-910'"),
        (lambda: find_device("nowhere.yaml"), "cannot read the device nowhere.yaml"),
    ],
)
def test_mistakes_are_named(function, said):
    with pytest.raises(UserError, match=said):
        function()


def test_every_known_figure_has_a_source():
    for name, figures in known_devices().items():
        stated = set(figures.to_dict()) - {"source"}
        assert set(figures.source) == stated, name


def test_a_device_of_ones_own(tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text("\n".join(f"{key}: {value}" for key, value in FIGURES.items()))
    assert find_device(str(file)) == device()
    file.write_text("peak_fp16: 1e12")
    with pytest.raises(UserError, match=r"mine.yaml: device.peak_fp32 is missing"):
        find_device(str(file))


def test_the_report_says_what_does_not_fit_and_where_scaling_ends():
    small, given = device(memory=700), assumed()
    made = ClusterPlan(workload(), "mine", small, given, 3,
                       (plan_row(workload(), small, 8, given),), 2)  # fmt: skip
    text = made.render()
    assert "DOES NOT FIT" in text
    assert "data.batch_size is at most 2." in text
    assert "from 2 devices on the exchange takes over 20 % of a step" in text
    content = json.loads(made.to_json())
    assert content["rows"][0]["run_seconds"] == pytest.approx(3 * 156 * 2.35e-3)
    assert content["rows"][0]["sent_bytes"] == 1.75e7
    assert content["workload"]["memory"]["total"] == 850
