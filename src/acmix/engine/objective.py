"""Interface of the tasks to the engine: networks, their losses and a metric."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from mindspore import nn

from acmix.parallel import World

VALIDATION_LOSS = "val_loss"
"""Name of the loss in :meth:`Metric.compute`, of tasks that know one without training targets."""


class Metric(Protocol):
    """Accumulates outputs and targets over batches."""

    def update(self, outputs: np.ndarray | tuple[np.ndarray, ...], *targets: np.ndarray) -> None:
        """Add one batch; padded samples have label -1 and do not count."""

    def all_reduce(self, world: World) -> None:
        """Combine with the batches of the other devices; every device calls this."""

    def compute(self) -> dict[str, float]:
        """Return the metrics of all batches added so far."""


class Objective(Protocol):
    """A model with its losses and its metric.

    The networks contain the model without prefixing its parameters (``auto_prefix=False``). A
    checkpoint of the objective is therefore a checkpoint of the plain model.

    Attributes:
        train_network: ``construct(*batch) -> tuple`` of scalars, the total loss first.
        eval_network: ``construct(*inputs) -> outputs``, for :meth:`metric`.
        eval_inputs: how many arrays at the front of an evaluation batch it takes.
    """

    train_network: nn.Cell
    eval_network: nn.Cell
    eval_inputs: int

    @property
    def loss_names(self) -> tuple[str, ...]:
        """Names of the scalars of ``train_network``."""

    @property
    def monitor(self) -> str:
        """Name of the metric that selects the best checkpoint; larger is better."""

    def metric(self) -> Metric:
        """Return an empty metric."""
