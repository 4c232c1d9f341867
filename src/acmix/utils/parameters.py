"""Read and write the values of Parameters."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from mindspore import Parameter, Tensor, nn, ops

from acmix.errors import UserError
from acmix.utils.text import first_few, shorten


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
        UserError: see :func:`check_fit`.
    """
    check_fit(parameters, values, source)
    for name, parameter in parameters.items():
        set_value(parameter, values[name])


def check_fit(
    parameters: Mapping[str, Parameter], values: Mapping[str, np.ndarray], source: str
) -> None:
    """Raise UserError if names or shapes differ.

    It lists the first ten missing, unexpected and misshaped tensors. For the arguments see
    :func:`load_values`.
    """
    missing = [name for name in parameters if name not in values]
    unexpected = [name for name in values if name not in parameters]
    misshaped = [
        f"{name} ({tuple(values[name].shape)} instead of {tuple(parameter.shape)})"
        for name, parameter in parameters.items()
        if name in values and tuple(values[name].shape) != tuple(parameter.shape)
    ]
    problems = [
        f"{kind}: {first_few([shorten(name, 150) for name in names])}"
        for kind, names in (
            ("missing", missing),
            ("unexpected", unexpected),
            ("of another shape", misshaped),
        )
        if names
    ]
    if problems:
        raise UserError(f"{source} does not fit. Tensors {'; '.join(problems)}.")


def check_finite(values: Mapping[str, np.ndarray], source: str) -> None:
    """Raise UserError if a value is NaN or infinite, also as float32; names the first ten tensors.

    Weights that hold one give no answer but NaN: the run that wrote them has diverged.
    """
    with np.errstate(over="ignore"):
        bad = [
            name
            for name, value in values.items()
            if value.dtype.kind == "f" and not np.isfinite(np.asarray(value, np.float32)).all()
        ]
    if bad:
        raise UserError(
            f"{source} holds NaN or infinite values in "
            f"{first_few([shorten(name, 150) for name in bad])}. "
            "Take a checkpoint from before the run diverged."
        )


def forget(cell: nn.Cell, *names: str) -> None:
    """Remove Parameters or Cells from a Cell and set None; assigning None alone would keep them."""
    for name in names:
        delattr(cell, name)
        setattr(cell, name, None)
