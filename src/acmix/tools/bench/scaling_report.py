"""Report of ``acmix bench scaling``: efficiency of several workers and cost of their exchange."""

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
"""Efficiency below which a report explains the cost of the exchange."""


@dataclass(frozen=True)
class ScalingRun:
    """Measured training of a network by a number of workers.

    Attributes:
        network: name of the network.
        workers: number of processes.
        batch_size: images per step and worker.
        exchanged_bytes: bytes of gradients that the workers average in a step.
        steps: seconds of whole steps on the first worker.
        exchanges: seconds of the gradient exchange (all-reduce) alone; empty for one worker.
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
        """Images per second of all workers together."""
        return self.workers * self.batch_size / self.step

    def to_json(self) -> str:
        """Return JSON whose parsed content :meth:`from_dict` reads back."""
        return json.dumps(asdict(self))

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> ScalingRun:
        """Read a run from its parsed JSON."""
        samples = {name: tuple(content[name]) for name in ("steps", "exchanges")}
        return cls(**{**content, **samples})


@dataclass(frozen=True)
class ScalingReport:
    """A measurement with its conditions and raw samples.

    Attributes:
        environment: facts from ``acmix.environment.describe``.
        threads: threads per worker; None on accelerators.
        warmup: steps before the measured ones.
        runs: runs of every network, with increasing numbers of workers.
    """

    environment: Mapping[str, str | int | None]
    threads: int | None
    warmup: int
    runs: tuple[ScalingRun, ...]

    def efficiency(self, run: ScalingRun) -> float:
        """Return the share of linear speed-up, relative to the run with the fewest workers."""
        fewest = next(other for other in self.runs if other.network == run.network)
        return fewest.step / run.step

    def to_json(self) -> str:
        """Return text that :func:`acmix.tools.bench.reports.read_report` reads back."""
        return json.dumps({"kind": KIND} | asdict(self), indent=2) + "\n"

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> ScalingReport:
        """Read a report from its parsed JSON, without the kind."""
        return cls(**{**content, "runs": tuple(map(ScalingRun.from_dict, content["runs"]))})

    def render(self, style: Style = "markdown") -> str:
        """Return the table, the cost of inefficient exchanges, and the conditions."""
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
