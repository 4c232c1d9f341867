"""Load a torch state dict into a model, and return a model as a torch state dict."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from mindspore import Parameter, Tensor, nn

from acmix.convert.dialects import Official, to_official
from acmix.convert.families import family_of, family_of_class
from acmix.convert.rules import Family, Rule
from acmix.errors import check
from acmix.utils.parameters import check_finite, check_fit, get_value, load_values, set_value


@dataclass(frozen=True)
class Report:
    """The result of loading a torch state dict.

    Attributes:
        loaded: names of the torch tensors of each parameter that was set.
        ignored: reason for each torch tensor that was ignored.
        kept: unchanged parameters: those without counterpart in torch, those of ``keep``, and those
            of an optional part that the state lacks.
        notes: what was done to the names in the file.
    """

    loaded: Mapping[str, tuple[str, ...]]
    ignored: Mapping[str, str]
    kept: tuple[str, ...]
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Return the counts, one line per reason."""
        tensors = sum(map(len, self.loaded.values()))
        lines = [f"{len(self.loaded)} parameters set from {tensors} tensors"]
        for reason, count in Counter(self.ignored.values()).items():
            lines.append(f"{count} tensors ignored: {reason}")
        if self.kept:
            lines.append(f"{len(self.kept)} parameters kept as they were")
        lines += self.notes
        return "\n".join(lines)


def load_torch_state(
    model: nn.Cell, state: Mapping[str, np.ndarray], keep: Collection[str] = ()
) -> Report:
    """Load the weights of an official PyTorch implementation, all or none.

    Names are those of microsoft/Swin-Transformer, whai362/PVT, hszhao/SAN, torchvision (ResNet) and
    LeapLabTHU/ACmix. SAN-ACmix and PVT-ACmix use the names of the latter inside the operator. Names
    of timm, torchvision, Hugging Face and mmpretrain are brought under these, and a prefix is
    dropped, see :func:`official_state`. A compiled model uses the new weights without
    recompilation.

    Args:
        model: a backbone, a segmenter, a detector, or a block or operator with names relative to
            that module.
        state: arrays by name, ``{name: tensor.numpy() for name, tensor in state_dict.items()}``.
        keep: parameters that the state does not contain; they stay unchanged.

    Returns:
        The loaded parameters, and the ignored tensors with reasons.

    Raises:
        UserError: the model has no counterpart in PyTorch; or the state does not fit or holds NaN.
            The error lists missing, unexpected or misshapen tensors, and the model stays unchanged.
    """
    family = family_of(model)
    official = to_official(_arrays(state), family.dialects)
    whole = [*_links(model, family)]
    absent, superfluous, notes = _optional(whole, official.state, family)
    links: list[_Link] = []
    kept: list[_Link] = []
    for link in whole:
        loaded = link.tensors and link.name not in keep and link.name not in absent
        (links if loaded else kept).append(link)
    values, ignored = _without_ignored(official.state, family)
    values = {name: value for name, value in values.items() if name not in superfluous}
    # Staged under torch's names, so that errors use the names of the state.
    staged = {name: Parameter(Tensor(value)) for name, value in _state(links).items()}
    source = f"state, meant for {type(model).__name__},"
    check_fit(staged, values, source)
    check_finite(values, source)
    load_values(staged, values, source)
    for link in links:
        arrays = [get_value(staged[name]) for name in link.tensors]
        set_value(link.parameter, link.rule.join(arrays))
    return Report(
        loaded={link.name: link.tensors for link in links},
        ignored=official.ignored | ignored | superfluous,
        kept=tuple(link.name for link in kept),
        notes=official.notes + notes,
    )


def official_state(
    model: type[nn.Cell],
    state: Mapping[str, np.ndarray],
    body: type[nn.Cell] | None = None,
) -> Official:
    """Return a state of any known library under the official names of a class of models.

    Args:
        model: the class.
        state: arrays by name.
        body: class of the backbone, if ``model`` is a head on one.

    Raises:
        UserError: the class has no counterpart in PyTorch; or the state holds several networks, or
            one that is known to be another architecture.
    """
    return to_official(_arrays(state), family_of_class(model, body).dialects)


def count_classes(
    model: type[nn.Cell],
    state: Mapping[str, np.ndarray],
    body: type[nn.Cell] | None = None,
) -> int | None:
    """Return the number of classes in a state with official names; None without a classifier.

    Args:
        model: class with ``classifier_name``, and ``classes_of`` if outputs are not classes.
        state: result of :func:`official_state`.
        body: as for :func:`official_state`.
    """
    weight = state.get(f"{family_of_class(model, body).rename(model.classifier_name)}.weight")
    if weight is None or not weight.shape:
        return None
    return classes_of(model, weight.shape[0])


def classes_of(model: type[nn.Cell], outputs: int) -> int:
    """Return the number of classes of a classifier with so many outputs; by default as many."""
    return getattr(model, "classes_of", int)(outputs)


def torch_names(model: nn.Cell) -> dict[str, tuple[str, ...]]:
    """Return the names of the torch tensors, if any, of each parameter of ``model``."""
    return {link.name: link.tensors for link in _links(model, family_of(model))}


def torch_state(model: nn.Cell) -> dict[str, np.ndarray]:
    """Return the weights under the names and in the shapes of the official implementation.

    Inverse of :func:`load_torch_state`: parameters and running statistics. Constants that torch's
    modules compute (Swin's masks and indices) are omitted: load the state with ``strict=False``.

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
    """Yield each parameter with its rule."""
    remaining = dict(model.parameters_and_names())
    for path, cell in model.cells_and_names():
        for rule in family.rules_of(cell):
            name = _below(path, rule.parameter)
            if name in remaining:
                prefix = family.rename(path)
                tensors = tuple(_below(prefix, tensor) for tensor in rule.tensors)
                yield _Link(name, remaining.pop(name), rule, tensors)
    for name, parameter in remaining.items():
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


def _arrays(state: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    arrays = {name: np.asarray(value) for name, value in state.items()}
    for name, array in arrays.items():
        check(
            array.dtype != object,
            f"state['{name}'] must be an array, got a {type(state[name]).__name__}. A checkpoint "
            "often holds the state dict under a key such as 'model': pass that.",
        )
    return arrays


def _optional(
    links: Sequence[_Link], state: Mapping[str, np.ndarray], family: Family
) -> tuple[set[str], dict[str, str], tuple[str, ...]]:
    """Compare the parts that a network, or a state, may lack.

    Returns:
        The parameters of parts that the state lacks; the reason for each tensor of parts that the
        network lacks; and notes.
    """
    absent: set[str] = set()
    superfluous: dict[str, str] = {}
    notes: list[str] = []
    for pattern, what in family.optional.items():
        ours = [link for link in links if any(re.search(pattern, name) for name in link.tensors)]
        theirs = [name for name in state if re.search(pattern, name)]
        if ours and not theirs:
            absent.update(link.name for link in ours)
            notes.append(f"the file has no weights of {what}: they stay as they were")
        elif theirs and not ours:
            superfluous.update(dict.fromkeys(theirs, f"of {what}, which this network lacks"))
    return absent, superfluous, tuple(notes)


def _without_ignored(
    state: Mapping[str, np.ndarray], family: Family
) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Return the arrays to load, and the reasons for the ignored ones."""
    values: dict[str, np.ndarray] = {}
    ignored: dict[str, str] = {}
    for name, array in state.items():
        reason = family.ignore_reason(name)
        if reason is None:
            values[name] = array
        else:
            ignored[name] = reason
    return values, ignored
