"""Reading and writing the values of Parameters."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from mindspore import Parameter, Tensor, nn, ops

from acmix.errors import UserError


def get_value(parameter: Parameter) -> np.ndarray:
    """Return a copy of the value; ``asnumpy()`` alone shares memory with the device on CPU."""
    return np.array(parameter.asnumpy())


def set_value(parameter: Parameter, value: np.ndarray) -> None:
    """Write ``value`` into the memory of ``parameter``, cast to its dtype.

    ``Parameter.set_data``, ``assign_value`` and ``load_param_into_net`` give the Parameter another
    memory, while a function compiled before goes on with the old one (MindSpore 2.8).
    """
    ops.assign(parameter, Tensor(np.asarray(value), parameter.dtype))


def make_parameter(value: np.ndarray, name: str) -> Parameter:
    """Make a Parameter of the value's shape and dtype that is not trained.

    It is written into memory of MindSpore's own. A Parameter around a NumPy array may live on in a
    graph, which MindSpore frees after Python has ended, and the heap breaks: a process that had
    trained and then exported died as it ended, three times in four (MindSpore 2.8, CPU).
    """
    tensor = Tensor(np.asarray(value))
    memory = ops.zeros(tensor.shape, tensor.dtype)
    parameter = Parameter(memory, name=name, requires_grad=False)
    ops.assign(parameter, tensor)
    return parameter


def load_values(
    parameters: Mapping[str, Parameter], values: Mapping[str, np.ndarray], source: str
) -> None:
    """Set every parameter from ``values`` of the same names and shapes, all or none.

    Args:
        parameters: what is to be set.
        values: exactly one array for each of them.
        source: where the values come from, for the message.

    Raises:
        UserError: listing every tensor that is missing, unexpected or of another shape.
    """
    missing = [name for name in parameters if name not in values]
    unexpected = [name for name in values if name not in parameters]
    misshaped = [
        f"{name} ({tuple(values[name].shape)} instead of {tuple(parameter.shape)})"
        for name, parameter in parameters.items()
        if name in values and tuple(values[name].shape) != tuple(parameter.shape)
    ]
    problems = [
        f"{kind}: {', '.join(names)}"
        for kind, names in (
            ("missing", missing),
            ("unexpected", unexpected),
            ("of another shape", misshaped),
        )
        if names
    ]
    if problems:
        raise UserError(f"{source} does not fit. Tensors {'; '.join(problems)}.")
    for name, parameter in parameters.items():
        set_value(parameter, values[name])


def forget(cell: nn.Cell, *names: str) -> None:
    """Take Parameters from a Cell and leave None; assigning None alone would be a Parameter."""
    for name in names:
        delattr(cell, name)
        setattr(cell, name, None)
