"""How much faster several workers train than one, and what their exchange of gradients costs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from acmix.tools.bench.machine import machine_phrase
from acmix.utils.table import Style, render_table

KIND = "scaling"

GOOD = 0.85
"""Efficiency below which the cost of the exchange is spelled out."""


@dataclass(frozen=True)
class ScalingRun:
    """A network trained by a number of workers, each with a batch of its own.

    Attributes:
        network: its name.
        workers: processes.
        batch_size: images of a step on each of them.
        exchanged_bytes: gradients that every worker sends and receives in a step.
        steps: seconds of whole steps on the first worker.
        exchanges: seconds of the exchange alone, beside them; none for a single worker.
    """

    network: str
    workers: int
    batch_size: int
    exchanged_bytes: int
    steps: tuple[float, ...]
    exchanges: tuple[float, ...] = ()

    @property
    def step(self) -> float:
        """Median seconds of a step."""
        return float(np.median(self.steps))

    @property
    def exchange(self) -> float:
        """Median seconds of an exchange, 0 for a single worker."""
        return float(np.median(self.exchanges)) if self.exchanges else 0.0

    @property
    def images_per_second(self) -> float:
        """Of all workers together."""
        return self.workers * self.batch_size / self.step

    def to_json(self) -> str:
        """The run as text that :meth:`from_dict` reads back when parsed."""
        return json.dumps(asdict(self))

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> ScalingRun:
        """Read a run from its parsed JSON."""
        samples = {name: tuple(content[name]) for name in ("steps", "exchanges")}
        return cls(**{**content, **samples})


@dataclass(frozen=True)
class ScalingReport:
    """Everything needed to judge and to repeat a measurement.

    Attributes:
        environment: ``acmix.environment.describe()`` of the machine.
        threads: of every worker; None where the device does the work.
        warmup: steps before the measured ones.
        runs: of every network with rising numbers of workers.
    """

    environment: Mapping[str, str | int | None]
    threads: int | None
    warmup: int
    runs: tuple[ScalingRun, ...]

    def efficiency(self, run: ScalingRun) -> float:
        """The share of their linear speed-up that workers reach, over the fewest measured."""
        fewest = next(other for other in self.runs if other.network == run.network)
        return fewest.step / run.step

    def to_json(self) -> str:
        """The report as text that ``acmix.tools.bench.reading.read_report`` reads back."""
        return json.dumps({"kind": KIND} | asdict(self), indent=2) + "\n"

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> ScalingReport:
        """Read a report from its parsed JSON, without the kind."""
        return cls(**{**content, "runs": tuple(map(ScalingRun.from_dict, content["runs"]))})

    def render(self, style: Style = "markdown") -> str:
        """The table, what the exchange costs where it costs much, and how it was measured."""
        header = ["network", "workers", "img/s", "efficiency", "step ms", "exchange ms",
                  "% of step", "MB exchanged"]  # fmt: skip
        table = render_table(header, [self._row(run) for run in self.runs], style)
        costly = [self._cost(run) for run in self.runs if self.efficiency(run) < GOOD]
        return "\n\n".join([table, *costly, self._conditions()])

    def _row(self, run: ScalingRun) -> list[str]:
        cells = [run.network, str(run.workers), f"{run.images_per_second:.1f}",
                 f"{self.efficiency(run):.2f}", f"{1e3 * run.step:.1f}"]  # fmt: skip
        if not run.exchanges:
            return [*cells, "", "", ""]
        return [
            *cells,
            f"{1e3 * run.exchange:.1f}",
            f"{100 * run.exchange / run.step:.0f}",
            f"{run.exchanged_bytes / 1e6:.1f}",
        ]

    def _cost(self, run: ScalingRun) -> str:
        alone = self.efficiency(run) * run.step
        return (
            f"{run.network}, {run.workers} workers: efficiency below {GOOD:g}. A step takes "
            f"{1e3 * (run.step - alone):.1f} ms longer than with the fewest workers, the exchange "
            f"alone {1e3 * run.exchange:.1f} ms. Larger batches (data.batch_size, or "
            "train.accumulate) exchange less often."
        )

    def _conditions(self) -> str:
        sizes = " and ".join(map(str, dict.fromkeys(run.batch_size for run in self.runs)))
        threads = f" with {self.threads} thread(s) on cores of its own" if self.threads else ""
        return (
            f"{machine_phrase(self.environment)}; batches of {sizes} images on every "
            f"worker{threads}; medians of {len(self.runs[0].steps)} steps after {self.warmup} of "
            "warm-up, one batch again and again. The exchange is timed alone, between steps."
        )
