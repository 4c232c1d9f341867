"""Run a task's network over a data set."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import numpy as np
from mindspore import Tensor

from acmix.tasks import Metric, Task
from acmix.utils.modes import evaluation_mode


class Dataset(Protocol):
    """Batches as ``acmix.data`` makes them."""

    def __len__(self) -> int:
        """Return the number of batches of an epoch."""

    def epoch(self, epoch: int) -> Iterator[tuple[np.ndarray, ...]]:
        """Return the batches of an epoch, which depend on nothing but its number."""


def evaluate(task: Task, data: Dataset) -> Metric:
    """Return the task's metric of one pass over ``data``; call ``compute()`` on it.

    All batches have one shape, hence the network is compiled once. Its Cells' training flags are
    afterwards what they were.
    """
    metric = task.metric()
    with evaluation_mode(task.eval_network):
        for images, *targets in data.epoch(0):
            metric.update(_as_numpy(task.eval_network(Tensor(images))), *targets)
    return metric


def _as_numpy(outputs: Tensor | tuple[Tensor, ...]) -> np.ndarray | tuple[np.ndarray, ...]:
    if isinstance(outputs, tuple):
        return tuple(output.asnumpy() for output in outputs)
    return outputs.asnumpy()
