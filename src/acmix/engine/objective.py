"""What the engine trains: networks, their losses and a metric."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from mindspore import nn

from acmix.parallel import World


class Metric(Protocol):
    """Accumulates over batches what the network put out and what was right."""

    def update(self, outputs: np.ndarray | tuple[np.ndarray, ...], *targets: np.ndarray) -> None:
        """Add one batch; padded samples are marked by label -1 and not counted."""

    def all_reduce(self, world: World) -> None:
        """Add what was added on the other devices, each of which calls this."""

    def compute(self) -> dict[str, float]:
        """Return the metrics of everything added so far."""


class Objective(Protocol):
    """A model with its losses and its metric.

    The networks hold the model without prefixing its parameters' names (``auto_prefix=False``), so
    that a checkpoint of the objective is a checkpoint of the plain model.

    Attributes:
        train_network: ``construct(*batch) -> tuple`` of scalars, the total loss first.
        eval_network: ``construct(images) -> outputs``, for :meth:`metric`.
    """

    train_network: nn.Cell
    eval_network: nn.Cell

    @property
    def loss_names(self) -> tuple[str, ...]:
        """Names of the scalars of ``train_network``."""

    @property
    def monitor(self) -> str:
        """The metric by which the best checkpoint is chosen; larger is better."""

    def metric(self) -> Metric:
        """Return an empty metric."""
