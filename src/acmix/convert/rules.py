"""Rules that map MindSpore parameters to PyTorch tensors.

A rule lists the torch tensors of one parameter. It converts arrays in both directions, so the same
rules load and save.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from mindspore import nn

from acmix.convert.dialects import Dialect

Array = np.ndarray


@dataclass(frozen=True)
class Transform:
    """Conversion of an array from torch to MindSpore, and its inverse."""

    forward: Callable[[Array], Array]
    inverse: Callable[[Array], Array]


IDENTITY = Transform(lambda array: array, lambda array: array)
POINTWISE = Transform(
    lambda array: array.reshape(array.shape[:2]),
    lambda array: array.reshape((*array.shape, 1, 1)),
)
"""A 1x1 convolution's weight (C_out, C_in, 1, 1) to a matrix (C_out, C_in)."""
TRANSPOSED = Transform(lambda array: array.T, lambda array: array.T)
"""A matrix to its transpose."""


@dataclass(frozen=True)
class Rule:
    """One parameter of a Cell and the corresponding torch tensors.

    Args:
        parameter: name relative to the Cell; the rule is skipped if the Cell has no such parameter.
        tensors: names relative to the torch module. Several tensors are transformed separately and
            concatenated along the first axis; empty if torch has no counterpart.
        transform: conversion of each tensor.
        shares: relative sizes of the tensors along the first axis; equal if empty.
    """

    parameter: str
    tensors: tuple[str, ...]
    transform: Transform = IDENTITY
    shares: tuple[int, ...] = ()

    def join(self, tensors: list[Array]) -> Array:
        """Return the parameter's array made of torch's arrays."""
        return np.concatenate([self.transform.forward(array) for array in tensors])

    def split(self, value: Array) -> list[Array]:
        """Return torch's arrays made of the parameter's array."""
        ends = np.cumsum(self.shares or (1,) * len(self.tensors))
        parts = np.split(value, len(value) * ends[:-1] // ends[-1])
        return [self.transform.inverse(part) for part in parts]


@dataclass(frozen=True)
class Family:
    """The rules of one family of models.

    A parameter without a rule has the same name and shape in torch.

    Args:
        rules: rules by class of Cell, or a function that makes those of one Cell. A Cell's rules
            precede those of its child Cells.
        renames: patterns and replacements of ``re.sub``, applied in order to the paths of Cells.
        ignored: reasons by pattern of torch tensors without a counterpart in MindSpore.
        dialects: other libraries' names first, then the official ones.
        optional: parts that a network, or a file, may lack, by pattern of their torch tensors.
    """

    rules: Mapping[type[nn.Cell], tuple[Rule, ...] | Callable[[Any], tuple[Rule, ...]]]
    renames: tuple[tuple[str, str | Callable[[re.Match[str]], str]], ...] = ()
    ignored: Mapping[str, str] = field(default_factory=dict)
    dialects: tuple[Dialect, ...] = ()
    optional: Mapping[str, str] = field(default_factory=dict)

    def rules_of(self, cell: nn.Cell) -> tuple[Rule, ...]:
        """Return the rules of the first class in the MRO of ``cell`` that has any."""
        rules = next((self.rules[cls] for cls in type(cell).__mro__ if cls in self.rules), ())
        return rules(cell) if callable(rules) else rules

    def rename(self, path: str) -> str:
        """Return the path in torch for the path of a Cell or parameter."""
        for pattern, replacement in self.renames:
            path = re.sub(pattern, replacement, path)
        return path

    def ignore_reason(self, tensor: str) -> str | None:
        """Return why a torch tensor is ignored; None if it is not."""
        for pattern, reason in self.ignored.items():
            if re.search(pattern, tensor):
                return reason
        return None
