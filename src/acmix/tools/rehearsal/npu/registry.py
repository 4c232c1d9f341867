"""The operators that the software NPU knows, and how their arguments are read.

A kernel is a function of NumPy arrays that returns what the operator writes. Its declaration lists
CANN's arguments in CANN's order, a word each:

``x``
    an operand: a tensor, or of aclnn also a scalar, or a list of some; None where it is missing.
``x*``
    of aclop and graphs: inputs ``x0``, ``x1``, ..., which come as one list.
``x:double``
    of aclnn: a plain value, whose type is one of :data:`PLAIN`.
``>y``
    an output.
``&x``
    an operand that is read and written. CANN's types name it among the outputs too, or do not.

Attributes of aclop are the function's keyword-only arguments. A function that asks for ``outputs``
also gets the shapes and types of its outputs.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from pkgutil import iter_modules
from typing import Any, NamedTuple

PLAIN = ("bool", "int8", "int32", "int64", "float", "double", "text")
Attributes = Mapping[str, Any]

REALS = ("float", "double")
"""Plain values that are passed in registers of their own."""


class Spec(NamedTuple):
    """An output's ``shape`` and ``dtype``, a number of aclDataType."""

    shape: tuple[int, ...]
    dtype: int


@dataclass(frozen=True)
class Parameter:
    """A word of a declaration."""

    name: str
    kind: str = ""
    is_input: bool = True
    is_output: bool = False
    is_list: bool = False

    @classmethod
    def parse(cls, word: str) -> Parameter:
        """Read a word of a declaration."""
        name, _, kind = word.lstrip(">&").partition(":")
        if kind and kind not in PLAIN:
            raise ValueError(f"{word}: no such type; there are {', '.join(PLAIN)}")
        reads, writes = not word.startswith(">"), word[0] in ">&"
        return cls(name.rstrip("*"), kind, reads, writes, name.endswith("*"))

    def members(self, names: Iterable[str]) -> list[str]:
        """Return those of ``names`` that this list has as members, by their numbers."""
        numbers = (one.removeprefix(self.name) for one in names if one.startswith(self.name))
        return [f"{self.name}{i}" for i in sorted(int(one) for one in numbers if one.isdigit())]


@dataclass(frozen=True)
class Kernel:
    """An operator's declaration and the function that computes it."""

    name: str
    parameters: tuple[Parameter, ...]
    function: Callable[..., Any]

    @cached_property
    def inputs(self) -> list[Parameter]:
        """What the function is called with, in order."""
        return [one for one in self.parameters if one.is_input]

    @cached_property
    def outputs(self) -> list[Parameter]:
        """What the function returns, in order."""
        return [one for one in self.parameters if one.is_output]

    @cached_property
    def updated(self) -> set[str]:
        """Names of the inputs that are also outputs."""
        return {one.name for one in self.inputs} & {one.name for one in self.outputs}

    @cached_property
    def keywords(self) -> set[str]:
        """Names of the function's keyword-only arguments."""
        signature = inspect.signature(self.function)
        kinds = signature.parameters.values()
        return {one.name for one in kinds if one.kind is inspect.Parameter.KEYWORD_ONLY}

    def names_of_outputs(self, given: Iterable[str]) -> list[str]:
        """Return the outputs' names in order, with those members of lists that are ``given``."""
        return [
            name
            for one in self.outputs
            for name in (one.members(given) if one.is_list else [one.name])
        ]

    def __call__(self, inputs: list[Any], attributes: Attributes, specs: list[Spec]) -> tuple:
        """Compute; return a tuple of what is written, an entry for each of ``specs``.

        Raises:
            ValueError: an attribute that the kernel does not know, or another number of results.
        """
        unknown = {key for key in attributes.keys() - self.keywords if not key.startswith("_")}
        if unknown:
            raise ValueError(f"attributes {', '.join(sorted(unknown))} are not known")
        keywords = {key: value for key, value in attributes.items() if key in self.keywords}
        if "outputs" in self.keywords:
            keywords["outputs"] = specs
        result = self.function(*inputs, **keywords)
        results = result if isinstance(result, tuple) else (result,)
        if len(results) != len(specs):
            raise ValueError(f"the kernel has {len(results)} results for {len(specs)} outputs")
        return results


_ACLNN: dict[str, Kernel] = {}
_OPERATORS: dict[str, Kernel] = {}


def aclnn(name: str, declaration: str) -> Callable[[Callable], Callable]:
    """Register a kernel of CANN's C function ``name``."""
    return _register(_ACLNN, name, declaration)


def operator(name: str, declaration: str) -> Callable[[Callable], Callable]:
    """Register a kernel of CANN's operator type ``name``, for aclop and the graph engine."""
    return _register(_OPERATORS, name, declaration)


def kernel_of_aclnn(name: str) -> Kernel:
    """Return the kernel of a C function.

    Raises:
        ValueError: there is none.
    """
    return _find(_ACLNN, name)


def kernel_of_operator(name: str) -> Kernel:
    """Return the kernel of an operator type.

    Raises:
        ValueError: there is none.
    """
    return _find(_OPERATORS, name)


def known() -> tuple[list[str], list[str]]:
    """Return the names of the C functions and of the operator types that have kernels."""
    _load()
    return sorted(_ACLNN), sorted(_OPERATORS)


def _find(kernels: dict[str, Kernel], name: str) -> Kernel:
    _load()
    if name not in kernels:
        raise ValueError("the software NPU has no such operator")
    return kernels[name]


def _register(
    kernels: dict[str, Kernel], name: str, declaration: str
) -> Callable[[Callable], Callable]:
    def decorate(function: Callable) -> Callable:
        if name in kernels:
            raise ValueError(f"{name} has two kernels")
        kernels[name] = Kernel(name, tuple(map(Parameter.parse, declaration.split())), function)
        return function

    return decorate


def _load() -> None:
    """Import all kernels, which register themselves."""
    if not _ACLNN:
        from acmix.tools.rehearsal.npu import kernels

        for module in iter_modules(kernels.__path__):
            import_module(f"{kernels.__name__}.{module.name}")
