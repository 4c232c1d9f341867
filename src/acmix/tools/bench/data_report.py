"""Report of ``acmix bench data``: throughput of input pipeline and network, and the bottleneck."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from acmix.tools.bench.machine import machine_phrase
from acmix.utils.table import Style, render_table

KIND = "pipeline"


@dataclass(frozen=True)
class DataReport:
    """A measurement with its conditions and raw samples.

    Attributes:
        environment: facts from ``acmix.environment.describe``.
        network: name of the trained network.
        batch_size: images per batch.
        image_shape: shape (C, H, W) of an image.
        workers: configured workers of the pipeline, such as ``2 threads``.
        seconds: duration of each measurement.
        pipelines: images per second by workers, one value per round.
        per_core: the same per second that a processor was busy, the consumer's included.
        training: images per second of the training step on one batch, one value per round.
    """

    environment: Mapping[str, str | int | None]
    network: str
    batch_size: int
    image_shape: tuple[int, ...]
    workers: str
    seconds: float
    pipelines: Mapping[str, tuple[float, ...]]
    per_core: Mapping[str, tuple[float, ...]]
    training: tuple[float, ...]

    @property
    def supply(self) -> float:
        """Images from the pipeline per image that the network consumes."""
        return float(np.median(self.pipelines[self.workers]) / np.median(self.training))

    def to_json(self) -> str:
        """Return text that :func:`acmix.tools.bench.reports.read_report` reads back."""
        return json.dumps({"kind": KIND} | asdict(self), indent=2) + "\n"

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> DataReport:
        """Read a report from its parsed JSON, without the kind."""
        rates = {
            name: {workers: tuple(values) for workers, values in content[name].items()}
            for name in ("pipelines", "per_core")
        }
        lists = {name: tuple(content[name]) for name in ("image_shape", "training")}
        return cls(**{**content, **lists, **rates})

    def render(self, style: Style = "markdown") -> str:
        """Return the table, the bottleneck, and the conditions of the measurement."""
        rows = [
            [
                f"input pipeline, {workers}" if workers[0].isdigit() else workers,
                *_cells(rates),
                *_cells(self.per_core[workers])[:1],
            ]
            for workers, rates in self.pipelines.items()
        ]
        rows.append([f"training step of {self.network}", *_cells(self.training), ""])
        header = ["alone", "img/s", "lowest", "highest", "img/s per busy core"]
        table = render_table(header, rows, style)
        return f"{table}\n\n{self._verdict()}\n\n{self._conditions()}"

    def _verdict(self) -> str:
        supply = f"it gives {self.supply:.2g} images for each one that the network takes"
        if self.supply >= 1:
            verdict = f"The network is the bottleneck, not the input pipeline: {supply}."
        else:
            verdict = (
                f"The input pipeline is the bottleneck: {supply}. Raise data.num_workers (up to "
                f"the {self.environment['cores']} cores), or store smaller images."
            )
        if self.environment["device"] == "CPU":
            verdict += " On CPU both share the cores, so that training is slower than either."
        return verdict

    def _conditions(self) -> str:
        return (
            f"{machine_phrase(self.environment)}, batches of {self.batch_size} images "
            f"{'x'.join(map(str, self.image_shape))}; medians of {len(self.training)} interleaved "
            f"rounds of {self.seconds:g} s."
        )


def _cells(rates: tuple[float, ...]) -> list[str]:
    return [f"{value:.1f}" for value in (np.median(rates), min(rates), max(rates))]
