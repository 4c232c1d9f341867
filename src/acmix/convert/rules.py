"""Rules that map our parameters to the tensors of torch.

A rule names the torch tensors that one parameter is made of, and converts arrays in both
directions. The same rules therefore load and save.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from mindspore import nn

Array = np.ndarray


@dataclass(frozen=True)
class Transform:
    """An array of torch's turned into ours, and its inverse."""

    forward: Callable[[Array], Array]
    inverse: Callable[[Array], Array]


SAME = Transform(lambda theirs: theirs, lambda ours: ours)
POINTWISE = Transform(
    lambda theirs: theirs.reshape(theirs.shape[:2]),
    lambda ours: ours.reshape((*ours.shape, 1, 1)),
)
"""A 1x1 convolution's weight (C_out, C_in, 1, 1), for us a matrix (C_out, C_in)."""


@dataclass(frozen=True)
class Rule:
    """One parameter of a Cell and the torch tensors it is made of.

    Args:
        parameter: its name below the Cell; the rule is skipped if the Cell has no such parameter.
        tensors: their names below the torch module. Several are transformed one by one and
            stacked along the first axis; none means that torch has no such tensor.
        transform: of each tensor.
        shares: how much of the first axis each tensor has, in proportion; equal shares if empty.
    """

    parameter: str
    tensors: tuple[str, ...]
    transform: Transform = SAME
    shares: tuple[int, ...] = ()

    def join(self, theirs: list[Array]) -> Array:
        """Make our array of torch's."""
        return np.concatenate([self.transform.forward(array) for array in theirs])

    def split(self, ours: Array) -> list[Array]:
        """Cut our array into torch's."""
        ends = np.cumsum(self.shares or (1,) * len(self.tensors))
        parts = np.split(ours, len(ours) * ends[:-1] // ends[-1])
        return [self.transform.inverse(part) for part in parts]


@dataclass(frozen=True)
class Family:
    """The rules of one family of models.

    A parameter that no rule claims has the same name and the same shape in torch.

    Args:
        rules: by class of Cell. A Cell's rules go before those of the Cells below it.
        renames: regular expressions and replacements as of ``re.sub``, applied one after the other
            to the paths of our Cells.
        ignored: regular expressions for torch tensors that no parameter needs, and the reason.
    """

    rules: Mapping[type[nn.Cell], tuple[Rule, ...]]
    renames: tuple[tuple[str, str | Callable[[re.Match[str]], str]], ...] = ()
    ignored: Mapping[str, str] = field(default_factory=dict)

    def rules_of(self, cell: nn.Cell) -> tuple[Rule, ...]:
        """Return the rules of the nearest class of ``cell`` that has any."""
        return next((self.rules[cls] for cls in type(cell).__mro__ if cls in self.rules), ())

    def rename(self, path: str) -> str:
        """Return torch's path for ours."""
        for pattern, replacement in self.renames:
            path = re.sub(pattern, replacement, path)
        return path

    def ignore_reason(self, tensor: str) -> str | None:
        """Return why the torch tensor of this name is not needed, None if it may be."""
        for pattern, reason in self.ignored.items():
            if re.search(pattern, tensor):
                return reason
        return None
