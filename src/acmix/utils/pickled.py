"""Read pickles as plain data: nothing that they name is imported, made or called.

A pickle is a program for a stack machine. Here the machine keeps a record of each object that the
program would make: its class, arguments and state. Numbers, texts, lists and dicts become what they
are. Whoever reads the result decides which records mean something, such as torch's tensors.
"""

from __future__ import annotations

import pickletools
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import IO, Any, Protocol, cast

MAX_PICKLE_BYTES = 2**26
"""Largest pickle; that of a training state with 3,000 tensors has 2 MiB. Numbers are elsewhere."""

MAX_STEPS = 2_000_000
"""Most steps of its program; 20 for a tensor."""


class PickleError(ValueError):
    """The bytes are not a pickle, or one larger than the bounds."""


@dataclass(frozen=True)
class Global:
    """A class or function that the pickle names."""

    name: str
    """Module and name, joined by a dot."""


@dataclass(eq=False)
class Record:
    """An object that the pickle would make: what is called with what, and what is put into it."""

    function: object
    arguments: object
    state: object = None
    items: dict[Any, Any] = field(default_factory=dict)
    elements: list[Any] = field(default_factory=list)

    @property
    def name(self) -> str:
        """Class or function, as far as the pickle says it."""
        made_by = self.function
        if isinstance(made_by, Global):
            if made_by.name == "copyreg._reconstructor" or made_by.name.endswith(".__newobj__"):
                first = self.arguments[0] if isinstance(self.arguments, tuple) else None
                return first.name if isinstance(first, Global) else made_by.name
            return made_by.name
        return "an object"


@dataclass(frozen=True, eq=False)
class Stored:
    """An object outside of the pickle, such as the numbers of a tensor."""

    identity: object


class _Opaque:
    """A key that is no number or text. Comparing and hashing nested tuples may take for ever."""


_MARK = object()
_KEYS = (str, int, float, bool, bytes, type(None))
_DICTS = {"collections.OrderedDict", "builtins.dict", "collections.defaultdict"}
_LISTS = {"builtins.list", "builtins.set", "builtins.frozenset", "builtins.tuple"}
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_VALUES = {
    "INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "STRING", "BINSTRING",
    "SHORT_BINSTRING", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8", "UNICODE",
    "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8", "FLOAT", "BINFLOAT",
}  # fmt: skip
_PYTHON_2 = {"__builtin__": "builtins", "copy_reg": "copyreg", "UserDict": "collections"}


class Readable(Protocol):
    """A file in memory: reading more than there is takes no memory."""

    def read(self, size: int) -> bytes: ...  # noqa: D102
    def readline(self) -> bytes: ...  # noqa: D102


@dataclass(frozen=True)
class Pickled:
    """What a pickle holds.

    Attributes:
        content: the object.
        called: names of the classes and functions that unpickling would call.
        stored: references to objects outside.
    """

    content: object
    called: frozenset[str]
    stored: list[Stored]


def read_pickle(file: Readable) -> Pickled:
    """Return the content of the pickle at the file's position, which then is behind it.

    Raises:
        PickleError: it is damaged, or larger than the bounds.
    """
    machine = _Machine()
    try:
        for step, (opcode, argument, _) in enumerate(pickletools.genops(cast(IO[bytes], file))):
            if step == MAX_STEPS:
                raise PickleError(f"a pickle of more than {MAX_STEPS} steps")
            if opcode.name == "STOP":
                return Pickled(machine.pop(), frozenset(machine.called), machine.stored)
            machine.step(opcode.name, argument)
    except (ValueError, IndexError, KeyError, TypeError, AttributeError, OverflowError) as error:
        if isinstance(error, PickleError):
            raise
        raise PickleError("no whole pickle") from error
    raise PickleError("a pickle without an end")


class _Machine:
    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}
        self.called: set[str] = set()
        self.stored: list[Stored] = []
        self.copied = 0

    def step(self, name: str, argument: Any) -> None:
        """Carry out one step of the program."""
        if name in _VALUES:
            self.stack.append(argument)
        elif name in _CONSTANTS:
            self.stack.append(_CONSTANTS[name])
        elif name in ("BINPUT", "LONG_BINPUT", "PUT"):
            self.memo[argument] = self.top()
        elif name == "MEMOIZE":
            self.memo[len(self.memo)] = self.top()
        elif name in ("BINGET", "LONG_BINGET", "GET"):
            self.stack.append(self.memo[argument])
        elif name in ("PROTO", "FRAME"):
            pass
        else:
            method = getattr(self, f"_{name.lower()}", None)
            if method is None:
                raise PickleError(f"a step {name}")
            method() if argument is None else method(argument)

    def top(self) -> Any:
        """Return the top of the stack, which is no mark."""
        if self.stack[-1] is _MARK:
            raise PickleError("a mark out of place")
        return self.stack[-1]

    def pop(self) -> Any:
        """Remove and return the top of the stack."""
        value = self.top()
        self.stack.pop()
        return value

    def pop_to_mark(self) -> list[Any]:
        """Remove and return what is above the last mark, and the mark."""
        for at in range(len(self.stack) - 1, -1, -1):
            if self.stack[at] is _MARK:
                found = self.stack[at + 1 :]
                del self.stack[at:]
                return found
        raise PickleError("a mark is missing")

    def made(self, function: object, arguments: object) -> Any:
        """Return a dict or a list for the classes of Python that are such, else a record."""
        name = function.name if isinstance(function, Global) else "a result"
        self.called.add(name)
        first = arguments[0] if isinstance(arguments, tuple) and arguments else None
        if name in _LISTS:
            return first if isinstance(first, list | tuple) else []
        if name not in _DICTS:
            return Record(function, arguments)
        content: dict[Any, Any] = {}
        if isinstance(first, list):
            # A list may be copied again and again, by few steps.
            self.copied += len(first)
            if self.copied > MAX_STEPS:
                raise PickleError(f"a pickle of more than {MAX_STEPS} steps")
            for pair in first:
                if isinstance(pair, list | tuple) and len(pair) == 2:
                    _put(content, pair)
        return content

    def _mark(self) -> None:
        self.stack.append(_MARK)

    def _pop(self) -> None:
        self.stack.pop()

    def _pop_mark(self) -> None:
        self.pop_to_mark()

    def _dup(self) -> None:
        self.stack.append(self.top())

    def _empty_list(self) -> None:
        self.stack.append([])

    def _empty_set(self) -> None:
        self.stack.append([])

    def _empty_dict(self) -> None:
        self.stack.append({})

    def _empty_tuple(self) -> None:
        self.stack.append(())

    def _list(self) -> None:
        self.stack.append(self.pop_to_mark())

    def _frozenset(self) -> None:
        self.stack.append(self.pop_to_mark())

    def _tuple(self) -> None:
        self.stack.append(tuple(self.pop_to_mark()))

    def _tuple1(self) -> None:
        self._tuple_of(1)

    def _tuple2(self) -> None:
        self._tuple_of(2)

    def _tuple3(self) -> None:
        self._tuple_of(3)

    def _tuple_of(self, count: int) -> None:
        found = [self.pop() for _ in range(count)]
        self.stack.append(tuple(reversed(found)))

    def _dict(self) -> None:
        content: dict[Any, Any] = {}
        _put(content, self.pop_to_mark())
        self.stack.append(content)

    def _append(self) -> None:
        value = self.pop()
        _list_of(self.top()).append(value)

    def _appends(self) -> None:
        values = self.pop_to_mark()
        _list_of(self.top()).extend(values)

    def _additems(self) -> None:
        self._appends()

    def _setitem(self) -> None:
        value, key = self.pop(), self.pop()
        _put(_dict_of(self.top()), [key, value])

    def _setitems(self) -> None:
        pairs = self.pop_to_mark()
        _put(_dict_of(self.top()), pairs)

    def _global(self, argument: str) -> None:
        self.stack.append(_named(*argument.split(" ", 1)))

    def _stack_global(self) -> None:
        name, module = self.pop(), self.pop()
        self.stack.append(_named(module, name))

    def _reduce(self) -> None:
        arguments, function = self.pop(), self.pop()
        self.stack.append(self.made(function, arguments))

    def _newobj(self) -> None:
        self._reduce()

    def _newobj_ex(self) -> None:
        self.pop()
        self._reduce()

    def _obj(self) -> None:
        function, *arguments = self.pop_to_mark()
        self.stack.append(self.made(function, tuple(arguments)))

    def _inst(self, argument: str) -> None:
        arguments = tuple(self.pop_to_mark())
        self.stack.append(self.made(_named(*argument.split(" ", 1)), arguments))

    def _build(self) -> None:
        state, made = self.pop(), self.top()
        if isinstance(made, Record):
            made.state = state

    def _persid(self, argument: str) -> None:
        self.stack.append(argument)
        self._binpersid()

    def _binpersid(self) -> None:
        stored = Stored(self.pop())
        self.stored.append(stored)
        self.stack.append(stored)


def _named(module: object, name: object) -> Global:
    if not isinstance(module, str) or not isinstance(name, str):
        raise PickleError("a class without a name")
    return Global(f"{_PYTHON_2.get(module, module)}.{name}")


def _list_of(target: object) -> list[Any]:
    if isinstance(target, list):
        return target
    if isinstance(target, Record):
        return target.elements
    raise PickleError("elements of what is no list")


def _dict_of(target: object) -> dict[Any, Any]:
    if isinstance(target, dict):
        return target
    if isinstance(target, Record):
        return target.items
    raise PickleError("items of what is no dict")


def _put(target: dict[Any, Any], pairs: Iterable[Any]) -> None:
    values = list(pairs)
    if len(values) % 2:
        raise PickleError("a key without a value")
    for key, value in zip(values[::2], values[1::2], strict=True):
        target[key if isinstance(key, _KEYS) else _Opaque()] = value
