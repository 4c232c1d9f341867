"""What the stand-ins call: :func:`compute` takes an operator's call and writes its outputs."""

from __future__ import annotations

import ctypes
import json
import struct
import traceback
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from acmix.tools.rehearsal.npu.operands import number, read, scalar, write
from acmix.tools.rehearsal.npu.registry import (
    REALS,
    Kernel,
    Parameter,
    Spec,
    kernel_of_aclnn,
    kernel_of_operator,
)


def compute(request: str) -> str:
    """Compute a call of an operator.

    Args:
        request: the call as JSON, with addresses of its operands; ``stand_in/aclnn.cpp`` and
            ``stand_in/aclop.cpp`` write it.

    Returns:
        Why it failed, or an empty text. What is raised here would end in C.
    """
    call = json.loads(request)
    try:
        with np.errstate(all="ignore"):  # infinity and NaN are results like others
            _KINDS[call["kind"]](call)
    except Exception as error:
        traceback.print_exc()
        return f"{call['op']} on the software NPU: {error}"
    return ""


def _aclnn(call: Mapping[str, Any]) -> None:
    kernel = kernel_of_aclnn(call["op"])
    values = _arguments(kernel, call)
    inputs = [
        values[i] if one.kind else _operand(values[i])
        for i, one in enumerate(kernel.parameters)
        if one.is_input
    ]
    targets = [values[i] for i, one in enumerate(kernel.parameters) if one.is_output]
    _run(kernel, inputs, {}, _flat(targets))


def _arguments(kernel: Kernel, call: Mapping[str, Any]) -> list[Any]:
    """Return plain values by their types, operands as they are described."""
    words, reals = iter(call["args"]), iter(call["reals"])
    plain = sum(one.kind in REALS for one in kernel.parameters)
    expected = len(kernel.parameters) - plain
    if len(call["args"]) != expected:
        raise ValueError(f"{len(call['args'])} arguments, and its kernel expects {expected}")
    return [
        _plain(one, next(reals if one.kind in REALS else words)) if one.kind else next(words)
        for one in kernel.parameters
    ]


def _plain(parameter: Parameter, word: Any) -> Any:
    """Return the value of 64 bits in a register, whose upper bits may be anything."""
    if not isinstance(word, int):
        raise ValueError(f"{parameter.name} is an operand, and its kernel expects a value")
    if parameter.kind == "text":
        return ctypes.string_at(word).decode() if word else ""
    formats = {"bool": "?", "int8": "b", "int32": "i", "int64": "q", "float": "f", "double": "d"}
    return struct.unpack_from("<" + formats[parameter.kind], struct.pack("<Q", word))[0]


def _operand(described: Any) -> Any:
    """Return what an operand of aclnn holds."""
    if described == 0:  # a null pointer
        return None
    if not isinstance(described, Mapping):
        raise ValueError(f"an argument is no operand but {described}")
    if "shape" in described:
        return read(described)
    if "scalar" in described:
        return scalar(described)
    key, values = next(iter(described.items()))
    if key in ("tensors", "scalars"):
        return [_operand(one) for one in values]
    return [number(value) for value in values]


def _flat(targets: list[Any]) -> list[Any]:
    """Return outputs with those of lists one by one."""
    return [
        tensor
        for target in targets
        for tensor in (target["tensors"] if target and "tensors" in target else [target])
    ]


def _aclop(call: Mapping[str, Any]) -> None:
    kernel = kernel_of_operator(call["op"])
    inputs = by_name(kernel, call["in"], read)
    _run(kernel, inputs, dict(call["attrs"]), call["out"])


def by_name(
    kernel: Kernel, operands: list[Any], value: Callable[[Mapping[str, Any]], Any]
) -> list[Any]:
    """Return the values of a kernel's inputs, in its order, from operands that have names.

    Raises:
        ValueError: an operand that the kernel does not know.
    """
    given = {one["name"]: value(one) for one in operands if one and _is_given(one)}
    inputs = []
    for parameter in kernel.inputs:
        if parameter.is_list:
            count = sum(_index(name, parameter.name) is not None for name in given)
            inputs.append([given.pop(f"{parameter.name}{i}") for i in range(count)])
        else:
            inputs.append(given.pop(parameter.name, None))
    if given:
        raise ValueError(f"inputs {', '.join(sorted(given))} are not known")
    return inputs


def _is_given(operand: Mapping[str, Any]) -> bool:
    return operand["dtype"] >= 0 and (operand.get("address", 1) != 0)


def _index(name: str, list_name: str) -> int | None:
    """Return which input of a list a name means, or None."""
    rest = name.removeprefix(list_name)
    return int(rest) if rest != name and rest.isdigit() else None


def _run(kernel: Kernel, inputs: list[Any], attributes: dict[str, Any], targets: list[Any]) -> None:
    wanted = [one or None for one in targets]
    specs = [Spec(tuple(one["shape"]), one["dtype"]) if one else Spec((), 0) for one in wanted]
    for target, result in zip(wanted, kernel(inputs, attributes, specs), strict=True):
        if target is not None:
            write(target, result)


_KINDS: dict[str, Callable[[Mapping[str, Any]], None]] = {"aclnn": _aclnn, "aclop": _aclop}
