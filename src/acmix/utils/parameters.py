"""Read and write the values of Parameters."""

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

    ``Parameter.set_data``, ``assign_value`` and ``load_param_into_net`` give the Parameter other
    memory, but functions compiled before keep using the old one (MindSpore 2.8).
    """
    ops.assign(parameter, Tensor(np.asarray(value), parameter.dtype))


def make_parameter(value: np.ndarray, name: str) -> Parameter:
    """Make a Parameter with the value's shape and dtype that is not trained.

    The value is copied into memory that MindSpore allocates. A Parameter around a NumPy array may
    remain in a graph, which MindSpore frees after Python has ended. This corrupts the heap: three
    of four processes that trained and then exported crashed at exit (MindSpore 2.8, CPU).
    """
    tensor = Tensor(np.asarray(value))
    memory = ops.zeros(tensor.shape, tensor.dtype)
    parameter = Parameter(memory, name=name, requires_grad=False)
    ops.assign(parameter, tensor)
    return parameter


def load_values(
    parameters: Mapping[str, Parameter], values: Mapping[str, np.ndarray], source: str
) -> None:
    """Set every parameter from ``values`` of the same names and shapes; if one differs, set none.

    Args:
        parameters: parameters to set, by name.
        values: exactly one array for each of them.
        source: origin of the values, for the message.

    Raises:
        UserError: names or shapes differ; lists all missing, unexpected or misshaped tensors.
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
    """Remove Parameters from a Cell and set None; assigning None alone would keep a Parameter."""
    for name in names:
        delattr(cell, name)
        setattr(cell, name, None)
