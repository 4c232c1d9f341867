"""A torch state dict into a model, and a model as a torch state dict."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from mindspore import Parameter, Tensor, nn

from acmix.convert.families import family_of
from acmix.convert.rules import Family, Rule
from acmix.errors import check
from acmix.utils.parameters import get_value, load_values, set_value


@dataclass(frozen=True)
class Report:
    """The result of loading a torch state dict.

    Attributes:
        loaded: for each parameter that was set, the torch tensors it was made of.
        ignored: for each torch tensor that is not needed, the reason.
        kept: parameters that torch does not have, or that were to be kept; as they were.
    """

    loaded: Mapping[str, tuple[str, ...]]
    ignored: Mapping[str, str]
    kept: tuple[str, ...]

    def __str__(self) -> str:
        """Return the counts, a line for each reason."""
        tensors = sum(map(len, self.loaded.values()))
        lines = [f"{len(self.loaded)} parameters set from {tensors} tensors"]
        for reason, count in Counter(self.ignored.values()).items():
            lines.append(f"{count} tensors ignored: {reason}")
        if self.kept:
            lines.append(f"{len(self.kept)} parameters kept as they were")
        return "\n".join(lines)


def load_torch_state(
    model: nn.Cell, state: Mapping[str, np.ndarray], keep: Collection[str] = ()
) -> Report:
    """Load the weights of an official PyTorch implementation, all or none.

    Names are those of microsoft/Swin-Transformer, whai362/PVT, hszhao/SAN, torchvision (ResNet) and
    LeapLabTHU/ACmix, whose names below the operator SAN-ACmix and PVT-ACmix have too. A
    model that has been compiled before goes on with the new weights.

    Args:
        model: a backbone, or one of its blocks or operators with the names below that module.
        state: arrays by name, ``{name: tensor.numpy() for name, tensor in state_dict.items()}``.
        keep: parameters of ours that the state has no tensors for; they stay as they are.

    Returns:
        The loaded parameters, and the ignored tensors with reasons.

    Raises:
        UserError: the model has no counterpart in PyTorch, or the state does not fit: every tensor
            that is missing, unexpected or of another shape is listed, and the model is untouched.
    """
    family = family_of(model)
    links: list[_Link] = []
    kept: list[_Link] = []
    for link in _links(model, family):
        (links if link.tensors and link.name not in keep else kept).append(link)
    values, ignored = _without_ignored(state, family)
    # Under torch's names first, so that errors use the names of the state.
    staged = {name: Parameter(Tensor(value)) for name, value in _state(links).items()}
    load_values(staged, values, f"state, meant for {type(model).__name__},")
    for link in links:
        theirs = [get_value(staged[name]) for name in link.tensors]
        set_value(link.parameter, link.rule.join(theirs))
    return Report(
        loaded={link.name: link.tensors for link in links},
        ignored=ignored,
        kept=tuple(link.name for link in kept),
    )


def torch_names(model: nn.Cell) -> dict[str, tuple[str, ...]]:
    """Return for each parameter of ``model`` the torch tensors it is made of, maybe none."""
    return {link.name: link.tensors for link in _links(model, family_of(model))}


def torch_state(model: nn.Cell) -> dict[str, np.ndarray]:
    """Return the weights under the names and in the shapes of the official implementation.

    The inverse of :func:`load_torch_state`: parameters and running statistics. Constants that
    torch's modules compute (Swin's masks and indices) are left out: load it with ``strict=False``.

    Args:
        model: as for :func:`load_torch_state`.

    Raises:
        UserError: the model has no counterpart in PyTorch.
    """
    return _state(_links(model, family_of(model)))


@dataclass(frozen=True)
class _Link:
    """A parameter of a model, its rule, and the full names of the torch tensors."""

    name: str
    parameter: Parameter
    rule: Rule
    tensors: tuple[str, ...]


def _links(model: nn.Cell, family: Family) -> Iterator[_Link]:
    """Find the rule for each parameter."""
    unclaimed = dict(model.parameters_and_names())
    for path, cell in model.cells_and_names():
        for rule in family.rules_of(cell):
            name = _below(path, rule.parameter)
            if name in unclaimed:
                prefix = family.rename(path)
                tensors = tuple(_below(prefix, tensor) for tensor in rule.tensors)
                yield _Link(name, unclaimed.pop(name), rule, tensors)
    for name, parameter in unclaimed.items():
        same = (family.rename(name),)
        yield _Link(name, parameter, Rule(name, same), same)


def _below(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _state(links: Iterable[_Link]) -> dict[str, np.ndarray]:
    state: dict[str, np.ndarray] = {}
    for link in links:
        if link.tensors:
            parts = link.rule.split(get_value(link.parameter))
            state.update(zip(link.tensors, parts, strict=True))
    return state


def _without_ignored(
    state: Mapping[str, np.ndarray], family: Family
) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Return the arrays that parameters are made of, and of the others the reason."""
    values: dict[str, np.ndarray] = {}
    ignored: dict[str, str] = {}
    for name, value in state.items():
        array = np.asarray(value)
        check(
            array.dtype != object,
            f"state['{name}'] must be an array, got a {type(value).__name__}. A checkpoint often "
            "holds the state dict under a key such as 'model': pass that.",
        )
        reason = family.ignore_reason(name)
        if reason is None:
            values[name] = array
        else:
            ignored[name] = reason
    return values, ignored
