"""Parameters and multiply-adds of any network, measured by running it once.

Forward hooks record the shapes of each Cell, so that no model needs a formula.
:mod:`acmix.tools.analysis.mac_rules` counts MindSpore's own Cells. A Cell with further products
(attention, a projection folded into another) defines

    def macs(self, *input_shapes) -> int | dict[str, int]

which returns the multiply-adds of one call, without those of the child Cells it calls. A parent
that uses the weights of a child without calling it counts their products. A Cell names the children
that it calls in training only by the attribute ``training_only``: they have nothing to count.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import mindspore as ms
import numpy as np
from mindspore import Tensor, nn

from acmix.errors import check
from acmix.tools.analysis.mac_rules import EXTRA_KINDS, Shape, rule_of
from acmix.utils.modes import evaluation_mode, execution_mode

_STATES = ("moving_mean", "moving_variance", "random_state")
"""Attributes of Cells that are Parameters for the checkpoint's sake and are not trained."""


@dataclass
class CellCount:
    """One Cell of a traced network, without its children.

    ``kinds`` holds the counts by kind and ``output_shapes`` the output shapes of the last call.
    ``params`` counts the elements of its own parameters, except those shared with an earlier Cell.
    """

    name: str
    type: str
    params: int
    calls: int = 0
    output_shapes: tuple[Shape, ...] = ()
    kinds: Counter[str] = field(default_factory=Counter)

    @property
    def macs(self) -> int:
        """Multiply-adds proper: convolutions, linear layers, attention products."""
        return sum(count for kind, count in self.kinds.items() if kind not in EXTRA_KINDS)


@dataclass(frozen=True)
class Trace:
    """All Cells of a network in the order of ``cells_and_names``; the first is the network.

    ``uncounted`` names Cells with weights but without counts: they have no rule and no ``macs``, or
    were not called and no ancestor counts them, though they are not for training only. Unless it is
    empty, the MACs are too low.
    """

    cells: tuple[CellCount, ...]
    uncounted: tuple[str, ...]

    @property
    def params(self) -> int:
        """Elements of all parameters; shared ones count once, statistics and states do not."""
        return sum(cell.params for cell in self.cells)

    @property
    def macs(self) -> int:
        """Multiply-adds of convolutions, linear layers and attention products ("core")."""
        return sum(cell.macs for cell in self.cells)

    @property
    def san_macs(self) -> int:
        """Count of hszhao/SAN's counter: core + bias + 2 x BatchNorm + ReLU + pool inputs.

        Functional ReLU and pooling count only if a ``macs`` method returns them.
        """
        return sum(cell.kinds.total() for cell in self.cells)

    @property
    def kinds(self) -> Counter[str]:
        """Counts by kind over the whole network."""
        return sum((cell.kinds for cell in self.cells), Counter())


def trace(network: nn.Cell, *inputs: Tensor | Shape) -> Trace:
    """Run ``network`` once in PyNative evaluation mode and count.

    Args:
        network: Any Cell without ``ms.jit`` inside. Training flags and the execution mode are
            restored.
        inputs: Tensors, or shapes of float32 zeros such as ``(1, 3, 224, 224)``. Counts are for
            the whole batch.

    Raises:
        UserError: A Cell's ``macs`` returns something that is not a count.
    """
    names = {id(cell): name for name, cell in network.cells_and_names()}
    counts = {id(cell): count for cell, count in _count_parameters(network)}

    def record(cell: nn.Cell, args: tuple, kwargs: dict, output: object) -> None:
        count = counts[id(cell)]
        count.calls += 1
        count.output_shapes = tuple(_shapes(output))
        sources = [_shape_tree(value) for value in (*args, *kwargs.values())]
        sources = [source for source in sources if source is not None]
        count.kinds.update(_macs_of(cell, names[id(cell)], sources, count.output_shapes))

    with execution_mode(ms.PYNATIVE_MODE), evaluation_mode(network), _hooked(network, record):
        network(*[_as_tensor(value) for value in inputs])
    return Trace(tuple(counts.values()), tuple(_uncounted(network, counts)))


def _count_parameters(network: nn.Cell) -> Iterator[tuple[nn.Cell, CellCount]]:
    seen: set[int] = set()
    for name, cell in network.cells_and_names():
        own = [parameter for parameter in _weights(cell) if id(parameter) not in seen]
        seen.update(map(id, own))
        params = sum(int(np.prod(parameter.shape)) for parameter in own)
        yield cell, CellCount(name, type(cell).__name__, params)


def _weights(cell: nn.Cell) -> Iterator[ms.Parameter]:
    """Yield the parameters of ``cell`` itself, without running statistics and random states."""
    states = {id(getattr(cell, name, None)) for name in _STATES}
    for parameter in cell.get_parameters(expand=False):
        if id(parameter) not in states:
            yield parameter


def _macs_of(cell: nn.Cell, name: str, sources: list, targets: tuple[Shape, ...]) -> dict[str, int]:
    if not hasattr(cell, "macs"):
        rule = rule_of(cell)
        return rule(cell, sources[0], targets[0]) if rule else {}
    counted = cell.macs(*sources)
    kinds = counted if isinstance(counted, dict) else {"core": counted}
    for kind, count in kinds.items():
        check(
            isinstance(count, int) and count >= 0,
            f"{type(cell).__name__}.macs of '{name}' returned {count!r} for {kind!r}; "
            "return a count (int >= 0) or a dict of counts by kind.",
        )
    return kinds


def _uncounted(network: nn.Cell, counts: dict[int, CellCount]) -> Iterator[str]:
    """Yield names of Cells that own matrices whose products are not counted."""
    counting = [
        name
        for name, cell in network.cells_and_names()
        if hasattr(cell, "macs") and counts[id(cell)].calls
    ]
    for_training = [
        f"{name}.{child}".lstrip(".")
        for name, cell in network.cells_and_names()
        for child in getattr(cell, "training_only", ())
    ]
    for name, cell in network.cells_and_names():
        if all(len(parameter.shape) < 2 for parameter in _weights(cell)):
            continue
        if rule_of(cell) and counts[id(cell)].calls:
            continue
        if not any(is_within(name, ancestor) for ancestor in counting + for_training):
            yield name


def is_within(name: str, ancestor: str) -> bool:
    """Return whether the Cell ``name`` is ``ancestor`` or below it."""
    return ancestor in ("", name) or name.startswith(ancestor + ".")


@contextmanager
def _hooked(network: nn.Cell, hook: Callable) -> Iterator[None]:
    # A remaining hook would break the next compilation in graph mode.
    handles = [
        cell.register_forward_hook(hook, with_kwargs=True) for _, cell in network.cells_and_names()
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _as_tensor(value: Tensor | Shape) -> Tensor:
    return value if isinstance(value, Tensor) else Tensor(np.zeros(value, np.float32))


def _shape_tree(value: object) -> tuple | None:
    """Return the shape of a tensor, a tuple of them for a sequence, else None."""
    if isinstance(value, Tensor):
        return tuple(value.shape)
    if isinstance(value, (tuple, list)):
        return tuple(_shape_tree(item) for item in value)
    return None


def _shapes(value: object) -> Iterator[Shape]:
    if isinstance(value, Tensor):
        yield tuple(value.shape)
    elif isinstance(value, (tuple, list)):
        for item in value:
            yield from _shapes(item)
    elif isinstance(value, dict):
        yield from _shapes(list(value.values()))
