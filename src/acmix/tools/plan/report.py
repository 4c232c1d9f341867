"""Report of ``acmix plan``: tables and JSON."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from acmix.tools.plan.devices import Device
from acmix.tools.plan.formulas import Assumptions, PlanRow, Workload
from acmix.utils.table import Style, render_table

_MEMORY = {
    "weights": "weights",
    "derived": "made of weights (casts, tables)",
    "gradients": "gradients",
    "optimizer": "optimizer",
    "average": "moving average",
    "activations": "activations",
}
_HEADER = (
    "devices", "batch", "lr", "sent per step (MB)", "compute (ms)", "exchange (ms)", "share (%)",
    "images/s", "scaling (%)", "epoch (min)", "run (h)",
)  # fmt: skip


@dataclass(frozen=True)
class ClusterPlan:
    """Estimates for training on several numbers of devices.

    Attributes:
        workload: step of one device.
        device_name: requested device.
        device: figures of the device.
        assumed: assumptions of the formulas.
        epochs: epochs of the run, unless ``steps`` is set.
        rows: one row per number of devices.
        steps: optimizer steps of the run, on any number of devices; None: ``epochs`` rules.
        limit: smallest number of devices whose exchange exceeds its share; None if none does.
    """

    workload: Workload
    device_name: str
    device: Device
    assumed: Assumptions
    epochs: int
    rows: tuple[PlanRow, ...]
    limit: int | None
    steps: int | None = None

    def run_seconds(self, row: PlanRow) -> float:
        """Return the seconds of the run, without evaluation."""
        if self.steps is not None:
            return self.steps * row.step_seconds
        return self.epochs * row.epoch_seconds

    def render(self, style: Style = "text") -> str:
        """Return tables of memory and time, and the limit of scaling."""
        return "\n\n".join(
            [self._heading(), self._memory(style), self._times(style), "\n".join(self._verdicts())]
        )

    def to_json(self) -> str:
        """Return all figures in bytes and seconds, with those of the device and their sources."""
        rows = [
            {
                **asdict(row),
                "sent_bytes": row.exchange.bytes,
                "step_seconds": row.step_seconds,
                "epoch_seconds": row.epoch_seconds,
                "run_seconds": self.run_seconds(row),
                "images_per_second": row.images_per_second,
            }
            for row in self.rows
        ]
        memory = {**vars(self.workload.memory), "total": self.workload.memory.total}
        return json.dumps(
            {
                "workload": {**asdict(self.workload), "memory": memory},
                "device": {"name": self.device_name, **self.device.to_dict()},
                "assumed": asdict(self.assumed),
                "epochs": self.epochs,
                "steps": self.steps,
                "rows": rows,
                "limit": self.limit,
            },
            indent=1,
        )

    def _heading(self) -> str:
        work = self.workload
        accumulated = f", {work.accumulate} batches per step" if work.accumulate > 1 else ""
        return (
            f"{work.name} in {work.dtype}, {work.batch} images per device{accumulated}, on "
            f"{self.device_name} at {100 * self.assumed.efficiency:g} % of "
            f"{self.device.peak(work.half) / 1e12:.4g} TFLOP/s"
        )

    def _memory(self, style: Style) -> str:
        memory = self.workload.memory
        rows = [[label, _gib(getattr(memory, name))] for name, label in _MEMORY.items()]
        rows.append(["total, without the operators' workspace", _gib(memory.total)])
        return render_table(["memory of a device", "GiB"], rows, style)

    def _times(self, style: Style) -> str:
        images = self.workload.images
        alone = images / self.rows[0].compute_seconds if self.rows else 0.0
        rows = [
            [
                row.devices,
                row.global_batch,
                f"{row.learning_rate:.3g}",
                f"{row.exchange.bytes / 1e6:.1f}",
                f"{1e3 * row.compute_seconds:.1f}",
                f"{1e3 * row.exchange.seconds:.2f}",
                f"{100 * row.share:.1f}",
                f"{row.images_per_second:.0f}",
                f"{100 * row.images_per_second / (row.devices * alone):.1f}",
                f"{row.epoch_seconds / 60:.2f}",
                f"{self.run_seconds(row) / 3600:.2f}",
            ]
            for row in self.rows
        ]
        return render_table(_HEADER, rows, style, left=())

    def _verdicts(self) -> list[str]:
        memory, work = self.device.memory, self.workload
        fits = work.memory.total <= memory
        lines = [
            f"Memory: what is counted {'fits' if fits else 'DOES NOT FIT'} into the {_gib(memory)} "
            f"GiB of a device; data.batch_size is at most {work.largest_batch(memory)}."
        ]
        share = f"{100 * self.assumed.communication:g} % of a step"
        if self.limit is None:
            lines.append(f"Scaling: the exchange takes at most {share} on any number of devices.")
        else:
            lines.append(f"Scaling: from {self.limit} devices on the exchange takes over {share}.")
        return lines


def _gib(size: float) -> str:
    return f"{size / 2**30:.2f}"
