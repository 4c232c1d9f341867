"""Run an objective's network over a data set."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import mindspore as ms
import numpy as np
from mindspore import Tensor

from acmix.engine.objective import Metric, Objective
from acmix.parallel import World
from acmix.utils.modes import evaluation_mode
from acmix.utils.progress import with_progress


class Dataset(Protocol):
    """Batches by epoch; the data sets of ``acmix.data`` fit."""

    def __len__(self) -> int:
        """Return the number of batches of an epoch."""

    def epoch(self, k: int, skip_batches: int = 0) -> Iterator[tuple[np.ndarray, ...]]:
        """Return the batches of epoch ``k``, which depend on ``k`` only.

        The first ``skip_batches`` of them are left out; this does not change the others.
        """


def evaluate(
    objective: Objective, data: Dataset, world: World | None = None, *, title: str | None = None
) -> Metric:
    """Return the objective's metric after one pass over ``data``; call ``compute()`` on it.

    A network that is compiled is so once for each shape of the batches, as a rule one. The training
    flags of its Cells are restored afterwards.

    Args:
        objective: provides network and metric.
        data: batches; in a ``world``, the shard of this device.
        world: devices that evaluate together; the metric covers the images of all.
        title: of a progress line over the batches; None shows none.
    """
    metric, count = objective.metric(), objective.eval_inputs
    with evaluation_mode(objective.eval_network):
        batches = data.epoch(0)
        if title is not None:
            compiles = ms.get_context("mode") == ms.GRAPH_MODE
            first = "compiling the network" if compiles else None
            batches = with_progress(batches, title, len(data), first)
        for batch in batches:
            outputs = objective.eval_network(*map(Tensor, batch[:count]))
            metric.update(_as_numpy(outputs), *batch[count:])
    if world is not None:
        metric.all_reduce(world)
    return metric


def _as_numpy(outputs: Tensor | tuple[Tensor, ...]) -> np.ndarray | tuple[np.ndarray, ...]:
    if isinstance(outputs, tuple):
        return tuple(output.asnumpy() for output in outputs)
    return outputs.asnumpy()
