"""Extraction of the evidence lists that only MindSpore's libraries contain, for version 2.8.0.

``python -m acmix.tools.audit.extract_wheel`` writes them. Names of C++ types are read from the
files, tables that the libraries fill when they are loaded from the memory of this process.
"""

from __future__ import annotations

import ctypes
import re
from pathlib import Path

import mindspore

from acmix.errors import check
from acmix.tools.audit.evidence import VERSION, entries
from acmix.tools.audit.extract import LISTS

_LIBRARIES = Path(mindspore.__file__).parent / "lib"
_EXPANDERS = "_ZZN9mindspore8expander16IRBuilderFactory8InstanceEvE8instance"
# In the object of that name: a robin_hood::unordered_map, whose words are, from the fourth on,
# pointers to pointers to pairs, the end of these and begin of a byte for each, and their number.
_TABLE = 3
_DISPATCH = 144
"""Offset of ``enable_dispatch_`` in an ``OpDef``."""

_OTHERS = {"Argmax"}
"""Becomes CANN's ArgMaxV2, and not CustArgMax."""

_MADE = (
    f"# Made from MindSpore {mindspore.__version__} by python -m acmix.tools.audit.extract_wheel.\n"
)
_HEADERS = {
    "expander": """\
# Operators that MindSpore's expander replaces by older ones where the graph engine has no adapter
# (jit_level O2; not for AIR): the registry IRBuilderFactory of libmindspore_backend_common.so.
""",
    "own_aicpu": """\
# Operators whose adapter to CANN makes one of MindSpore's own, for the slow AI CPUs, of the name
# Cust...: classes ge::op::Cust... in libmindspore_ascend_res_manager.so.
""",
    "undispatched": """\
# Operators with an aclnn kernel that graph mode does not take, as their definition (OpDef in
# libmindspore_ops.so) has no dispatch: the kernel at jit_level O0 is an aclop.
""",
}


def expander() -> set[str]:
    """Return the operators that the expander knows."""
    library = ctypes.CDLL(str(_LIBRARIES / "libmindspore_backend_common.so"))
    place = ctypes.addressof(ctypes.c_char.in_dll(library, _EXPANDERS))
    nodes, used, count = (_word(place + 8 * index) for index in range(_TABLE, _TABLE + 3))
    found = {
        _text(_word(nodes + 8 * index))
        for index in range((used - nodes) // 8)
        if ctypes.c_uint8.from_address(used + index).value
    }
    check(len(found) == count, f"lists: the expander's table is not laid out as in {VERSION}.")
    return found


def own_aicpu() -> set[str]:
    """Return the operators that become ``Cust...``, by MindSpore's names."""
    library = _LIBRARIES / "plugin" / "ascend" / "libmindspore_ascend_res_manager.so"
    types = re.findall(rb"N2ge2op\d+Cust(\w+)E\0", library.read_bytes())
    found = {name.decode().lower() for name in types}  # CustIm2col is made of Im2Col
    return {name for name in entries("ge_adapters") if name.lower() in found} - _OTHERS


def undispatched() -> set[str]:
    """Return the operators whose aclnn kernel is not dispatched to."""
    library = ctypes.CDLL(str(_LIBRARIES / "libmindspore_ops.so"))
    return {name for name in entries("aclnn_kernels") if not _dispatched(library, name)}


def texts() -> dict[str, str]:
    """Return the lists for the installed MindSpore, by name."""
    found = {"expander": expander(), "own_aicpu": own_aicpu(), "undispatched": undispatched()}
    return {
        name: _HEADERS[name] + _MADE + "".join(f"{operator}\n" for operator in sorted(operators))
        for name, operators in found.items()
    }


def _dispatched(library: ctypes.CDLL, operator: str) -> bool:
    """Read a definition; operators of the older kind have none, and take what is registered."""
    try:
        symbol = ctypes.c_char.in_dll(library, f"_ZN9mindspore3ops{len(operator) + 1}g{operator}E")
    except ValueError:
        return True
    place = ctypes.addressof(symbol)
    check(_text(place) == operator, f"lists: definitions are not laid out as in {VERSION}.")
    return bool(ctypes.c_uint8.from_address(place + _DISPATCH).value)


def _word(place: int) -> int:
    return ctypes.c_uint64.from_address(place).value


def _text(place: int) -> str:
    """Return the ``std::string`` of GCC's older kind at ``place``: a pointer to its characters."""
    return ctypes.string_at(_word(place)).decode()


if __name__ == "__main__":
    for list_name, text in texts().items():
        (LISTS / f"{list_name}.txt").write_text(text, encoding="utf-8")
