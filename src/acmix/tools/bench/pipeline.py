"""The input pipeline alone against the network alone: which of them training waits for."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Mapping
from contextlib import closing
from dataclasses import asdict, dataclass
from time import perf_counter
from typing import Any

import numpy as np

from acmix.errors import check
from acmix.tools.bench.machine import machine_phrase
from acmix.utils.table import Style, render_table

KIND = "pipeline"

Work = Callable[[], Generator[int, None, None]]
"""Begins to work: a generator that does a batch's work and says how many images that was."""


@dataclass(frozen=True)
class PipelineReport:
    """Everything needed to judge and to repeat a measurement.

    Attributes:
        environment: of the machine, see ``acmix.environment.describe``.
        network: name of what is trained.
        batch_size: images of a batch.
        image_shape: shape (C, H, W) of an image.
        workers: threads of the pipeline as configured.
        seconds: of a measurement.
        pipelines: images per second by number of threads, one value per round.
        training: images per second of the training step on one batch, one value per round.
    """

    environment: Mapping[str, str | int | None]
    network: str
    batch_size: int
    image_shape: tuple[int, ...]
    workers: int
    seconds: float
    pipelines: Mapping[int, tuple[float, ...]]
    training: tuple[float, ...]

    @property
    def supply(self) -> float:
        """Images the pipeline gives for every image that the network takes."""
        return float(np.median(self.pipelines[self.workers]) / np.median(self.training))

    def to_json(self) -> str:
        """The report as text that ``acmix.tools.bench.reading.read_report`` reads back."""
        return json.dumps({"kind": KIND} | asdict(self), indent=2) + "\n"

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> PipelineReport:
        """Read a report from its parsed JSON, without the kind."""
        pipelines = {int(workers): tuple(rates) for workers, rates in content["pipelines"].items()}
        lists = {name: tuple(content[name]) for name in ("image_shape", "training")}
        return cls(**{**content, **lists, "pipelines": pipelines})

    def render(self, style: Style = "markdown") -> str:
        """The table, which of the two is the bottleneck, and how it was measured."""
        rows = [
            [f"input pipeline, {workers} thread{'s' * (workers > 1)}", *_cells(rates)]
            for workers, rates in self.pipelines.items()
        ]
        rows.append([f"training step of {self.network}", *_cells(self.training)])
        table = render_table(["alone", "img/s", "lowest", "highest"], rows, style)
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


def measure_rates(
    works: Mapping[str, Work], *, seconds: float, rounds: int, warmup: int
) -> dict[str, tuple[float, ...]]:
    """Let each of ``works`` work for a while, in turns; return images per second of each round.

    Args:
        works: by name; each is begun anew in every round.
        seconds: of a measurement, which ends with the batch that is being worked on.
        rounds: measurements of each.
        warmup: batches before each measurement.

    Raises:
        UserError: a number is out of range.
    """
    for name, value in (("seconds", seconds), ("rounds", rounds)):
        check(value > 0, f"{name}: got {value}; give more than 0.")
    rates: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(rounds):
        for name, begin in works.items():
            rates[name].append(_rate(begin, seconds, warmup))
    return {name: tuple(values) for name, values in rates.items()}


def _rate(begin: Work, seconds: float, warmup: int) -> float:
    # Closing ends the threads of a pipeline, which would work on beside what is measured next.
    with closing(begin()) as work:
        for _ in range(warmup):
            next(work)
        images, start = 0, perf_counter()
        while True:
            images += next(work)
            spent = perf_counter() - start
            if spent >= seconds:
                return images / spent


def _cells(rates: tuple[float, ...]) -> list[str]:
    return [f"{value:.1f}" for value in (np.median(rates), min(rates), max(rates))]
