"""Calls of single operators: read the arguments, run the kernel, write its results."""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Mapping
from typing import Any

from acmix.tools.rehearsal.npu.operands import number, read, scalar, write
from acmix.tools.rehearsal.npu.registry import (
    REALS,
    Attributes,
    Kernel,
    Parameter,
    Spec,
    kernel_of_aclnn,
    kernel_of_operator,
)


def aclnn(call: Mapping[str, Any]) -> None:
    """Run a call of a C function; ``stand_in/aclnn.cpp`` writes it."""
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
        return [None if one is None else _operand(one) for one in values]
    return [number(value) for value in values]


def _flat(targets: list[Any]) -> list[Any]:
    """Return outputs with those of lists one by one."""
    return [
        tensor
        for target in targets
        for tensor in (target["tensors"] if target and "tensors" in target else [target])
    ]


def aclop(call: Mapping[str, Any]) -> None:
    """Run a call of an operator type; ``stand_in/aclop.cpp`` writes it."""
    kernel = kernel_of_operator(call["op"])
    updated = [one for one in call["in"] if one and one["name"] in kernel.updated]
    targets = {one["name"]: one for one in updated + call["out"] if one and _is_given(one)}
    run(kernel, by_name(kernel, call["in"]), call["attrs"], targets)


def run(
    kernel: Kernel,
    inputs: list[Any],
    attributes: Attributes,
    targets: Mapping[str, Mapping[str, Any]],
) -> None:
    """Run a kernel of an operator type and write its outputs, which have names.

    Raises:
        ValueError: an output that the kernel does not know.
    """
    names = kernel.names_of_outputs(targets)
    unknown = targets.keys() - set(names)
    if unknown:
        raise ValueError(f"outputs {', '.join(sorted(unknown))} are not known")
    _run(kernel, inputs, attributes, [targets.get(name) for name in names])


def by_name(kernel: Kernel, operands: list[Any]) -> list[Any]:
    """Return the values of a kernel's inputs, in its order, from operands that have names.

    Raises:
        ValueError: an operand that the kernel does not know.
    """
    given = {one["name"]: read(one) for one in operands if one and _is_given(one)}
    inputs: list[Any] = []
    for parameter in kernel.inputs:
        if parameter.is_list:
            inputs.append([given.pop(name) for name in parameter.members(given)])
        else:
            inputs.append(given.pop(parameter.name, None))
    if given:
        raise ValueError(f"inputs {', '.join(sorted(given))} are not known")
    return inputs


def _is_given(operand: Mapping[str, Any]) -> bool:
    return operand["dtype"] >= 0 and (operand.get("address", 1) != 0)


def _run(kernel: Kernel, inputs: list[Any], attributes: Attributes, targets: list[Any]) -> None:
    wanted = [one or None for one in targets]
    specs = [Spec(tuple(one["shape"]), one["dtype"]) if one else Spec((), 0) for one in wanted]
    for target, result in zip(wanted, kernel(inputs, attributes, specs), strict=True):
        if target is not None and result is not None:  # None: a mask does not ask for it
            write(target, result)
