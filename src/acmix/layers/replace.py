"""ACmix in place of the 3x3 convolutions of any network."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from mindspore import nn

from acmix.errors import UserError, check
from acmix.layers.acmix import ACmix
from acmix.layers.attention import attention_class
from acmix.utils.cells import all_names, places_of, replace_child
from acmix.utils.text import first_few

Where = str | Callable[[str, nn.Conv2d], bool]


@dataclass(frozen=True)
class Replacement:
    """The result of :func:`replace_conv`, or of its dry run.

    Attributes:
        replaced: names of the Cells that are ACmix now.
        skipped: reasons by name of the chosen convolutions that stayed.
        shared: other names of those that several places share, by name.
    """

    replaced: tuple[str, ...]
    skipped: Mapping[str, str]
    shared: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def __str__(self) -> str:
        """Return one line for each convolution."""
        lines = [
            f"{', '.join((name, *self.shared.get(name, ())))}: replaced"
            + (", one Cell as before" if name in self.shared else "")
            for name in self.replaced
        ]
        lines += [f"{name}: kept, {reason}" for name, reason in self.skipped.items()]
        return "\n".join(lines)


def replace_conv(
    network: nn.Cell, where: Where | None = None, *, dry_run: bool = False, **acmix_arguments: Any
) -> Replacement:
    """Swap 3x3 convolutions for ACmix operators with the same channels, stride and dilation.

    A convolution that several places share becomes one operator, which they share.

    The operators are new: their parameters have to be trained, and carry the names that the
    convolution's weight had, so that checkpoints of the changed network work as usual. Replace
    before an optimizer takes the parameters, and before mixed precision is set.

    Args:
        network: any Cell; changed in place, all chosen convolutions or none.
        where: which convolutions: a regular expression that is searched in the name of the Cell, or
            a function of name and Cell; None for all 3x3 convolutions of one group.
        dry_run: change nothing, only report.
        **acmix_arguments: of :class:`acmix.ACmix`: ``num_heads``, ``kernel_size``, ``combine``, ...
            The attention must work on maps (B, C, H, W), as ``local`` and ``patchwise`` do.

    Returns:
        The names of the replaced convolutions, and the others with reasons.

    Raises:
        UserError: nothing can be replaced, or an argument is not ACmix's or is the convolution's.

    Example:
        >>> print(replace_conv(resnet18, r"^layer[34]", dry_run=True, num_heads=8))
    """
    for name in ("in_channels", "out_channels", "stride", "dilation"):
        check(
            name not in acmix_arguments,
            f"{name} is that of each convolution; leave {name} out of the arguments.",
        )
    attention = acmix_arguments.get("attention", "local")
    check(
        attention_class(attention).data_format == "NCHW",
        f"attention='{attention}' works on tokens (B, H, W, C), not on a convolution's maps; use "
        "attention='local' or 'patchwise'.",
    )
    made: dict[str, ACmix] = {}
    skipped: dict[str, str] = {}
    shared: dict[str, tuple[str, ...]] = {}
    users = _users_of_parameters(network)
    for (name, *others), conv in _chosen(network, where):
        if others:
            shared[name] = tuple(others)
        reason = _obstacle(conv) or _shared_weight(conv, users)
        if reason is None:
            try:
                made[name] = _twin(conv, acmix_arguments)
            except UserError as error:
                reason = str(error)
        if reason is not None:
            skipped[name] = reason
    result = Replacement(tuple(made), skipped, shared)
    check(
        bool(made),
        f"no convolution can be replaced where={where!r}: {result}"
        if skipped
        else f"where={where!r} chooses no convolution of a {type(network).__name__}.",
    )
    if not dry_run:
        _swap(network, made)
    return result


def _chosen(network: nn.Cell, where: Where | None) -> Iterator[tuple[list[str], nn.Conv2d]]:
    """Yield the chosen convolutions with all of their names."""
    check(
        type(network) is not nn.Conv2d,
        "the network is itself a convolution; wrap it in another Cell.",
    )
    if isinstance(where, str):
        try:
            pattern = re.compile(where)
        except re.error as error:
            raise UserError(f"where={where!r} is not a regular expression: {error}.") from None
    convs: dict[int, tuple[list[str], nn.Conv2d]] = {}
    for name, cell in all_names(network):
        if type(cell) is nn.Conv2d:  # a subclass may compute something else
            convs.setdefault(id(cell), ([], cell))[0].append(name)
    for names, conv in convs.values():
        if where is None:
            chosen = conv.kernel_size == (3, 3) and conv.group == 1
        elif isinstance(where, str):
            chosen = any(pattern.search(name) for name in names)
        else:
            chosen = any(where(name, conv) for name in names)
        if chosen:
            yield names, conv


def _obstacle(conv: nn.Conv2d) -> str | None:
    """Return why no ACmix has the shape of this convolution's output, None if one has."""
    if conv.kernel_size != (3, 3):
        return f"its kernel is {conv.kernel_size[0]}x{conv.kernel_size[1]}, not 3x3"
    if conv.group != 1:
        return f"it has {conv.group} groups"
    for name, value in (("stride", conv.stride), ("dilation", conv.dilation)):
        if value[0] != value[1]:
            return f"its {name} differs between the axes: {value}"
    padding = conv.padding if isinstance(conv.padding, tuple) else (conv.padding,)
    centred = conv.pad_mode == "pad" and set(padding) == {conv.dilation[0]}
    if not centred and conv.pad_mode != "same":
        return f"its output is smaller than its input (pad_mode='{conv.pad_mode}')"
    return None


def _users_of_parameters(network: nn.Cell) -> dict[int, list[str]]:
    """Return the names of the Cells that own each parameter, by its id."""
    users: dict[int, list[str]] = {}
    for name, cell in network.cells_and_names():
        for parameter in cell._params.values():
            users.setdefault(id(parameter), []).append(name)
    return users


def _shared_weight(conv: nn.Conv2d, users: Mapping[int, list[str]]) -> str | None:
    """Return which Cells share a weight, which an operator could not; None if none do."""
    for parameter in conv._params.values():
        if len(names := users.get(id(parameter), [])) > 1:
            return f"it shares {parameter.name} with {first_few(names)}; ACmix has no such weight"
    return None


def _twin(conv: nn.Conv2d, arguments: Mapping[str, Any]) -> ACmix:
    twin = ACmix(
        conv.in_channels,
        conv.out_channels,
        stride=conv.stride[0],
        dilation=conv.dilation[0],
        **arguments,
    )
    prefix = conv.weight.name.removesuffix("weight")
    for name, parameter in twin.parameters_and_names():
        parameter.name = prefix + name
    return twin.set_train(conv.training)


def _swap(network: nn.Cell, made: Mapping[str, ACmix]) -> None:
    convs = {name: cell for name, cell in network.cells_and_names() if name in made}
    for name, conv in convs.items():
        for parent, attribute in places_of(conv, network):
            replace_child(parent, attribute, made[name])
    for _, cell in network.cells_and_names():
        cell.compile_cache.clear()  # a graph compiled before holds the old convolution
