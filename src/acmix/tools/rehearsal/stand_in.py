"""Stand-ins for CANN's libraries: built once into the user's cache, for child processes."""

from __future__ import annotations

import hashlib
import os
import platform
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from acmix.errors import check
from acmix.tools.rehearsal.wheel import VERSION, Wheel, run, symbols
from acmix.utils.files import staging_folder

_SOURCES = Path(__file__).parent / "stand_in"
_OLD_STRINGS = ("-D_GLIBCXX_USE_CXX11_ABI=0",)  # of the ge:: symbols

# MindSpore finds CANN by the path of libascendcl.so, which must hold "latest".
_HOME = Path("latest")
_LIBRARIES = _HOME / "lib64"
# A Python package of CANN whose version distributed runs ask for, in the folder that MindSpore
# wants on PYTHONPATH. CANN's "te" must stay missing: MindSpore would import operators with it.
_PACKAGES = _HOME / "opp" / "built-in" / "op_impl" / "ai_core" / "tbe"
_PACKAGE_FILES = {
    "hccl/__init__.py": "",
    "hccl/sys_version.py": '__sys_version__ = "8.5.0"\n',
}


def stand_in() -> Path:
    """Return the folder of the stand-ins, built if it is missing.

    Several processes may build at once; the first to finish wins.

    Raises:
        UserError: no compiler, no binutils, another MindSpore or another kind of processor.
    """
    wheel = Wheel.installed()
    machine = platform.machine()
    check(
        machine == "x86_64",
        f"rehearse: this processor is {machine}, and the stand-ins read the arguments of x86_64's "
        "calling convention. Use such a machine.",
    )
    target = _cache() / f"{VERSION}-{_digest()}"
    if not target.is_dir():
        with staging_folder(target.parent) as staged:
            _build(wheel, staged)
            staged.chmod(0o755)
            with suppress(OSError):  # another process has it, which is checked below
                staged.rename(target)
    check(target.is_dir(), f"rehearse: cannot create {target}. Choose XDG_CACHE_HOME elsewhere.")
    return target


def environment(given: Mapping[str, str], folder: Path) -> dict[str, str]:
    """Return the variables of a process that shall find the stand-ins.

    Args:
        given: variables of this process.
        folder: of :func:`stand_in`.
    """
    return {
        **given,
        "ASCEND_HOME_PATH": str(folder / _HOME),
        "ASCEND_OPP_PATH": str(folder / _HOME / "opp"),
        "LD_LIBRARY_PATH": _before(folder / _LIBRARIES, given.get("LD_LIBRARY_PATH")),
        "PYTHONPATH": _before(folder / _PACKAGES, given.get("PYTHONPATH")),
    }


def _before(folder: Path, others: str | None) -> str:
    return f"{folder}{os.pathsep}{others}" if others else str(folder)


def _cache() -> Path:
    folder = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(folder).absolute() / "acmix" / "rehearsal"


def _digest() -> str:
    """Return a digest of all that decides how the stand-ins look."""
    files = [*sorted(_SOURCES.iterdir()), Path(__file__), Path(__file__).with_name("wheel.py")]
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.name.encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def _build(wheel: Wheel, folder: Path) -> None:
    """Build into ``folder``: two libraries with content, and empty ones that lead to them."""
    libraries = folder / _LIBRARIES
    libraries.mkdir(parents=True)
    graph, acl = libraries / "libgraph.so", libraries / "libascendcl.so"
    recording = _SOURCES / "recording.cpp"
    _compile(graph, recording, *sorted(_SOURCES.glob("ge_*.cpp")), flags=_OLD_STRINGS)
    own = [recording, *(_SOURCES / f"{name}.cpp" for name in ("device", "aclnn", "aclop"))]
    _compile(acl, *own)  # for the names of what is written out
    generated = folder / "generated.cpp"
    generated.write_text(_answers(wheel, symbols(acl, "--defined-only")), encoding="utf-8")
    _compile(acl, *own, generated)
    empty = folder / "empty.cpp"
    empty.touch()
    for name in wheel.missing_libraries:
        if name not in (graph.name, acl.name):
            _compile(libraries / name, empty, links=(acl.name, graph.name))
    for name, text in _PACKAGE_FILES.items():
        file = folder / _PACKAGES / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")


def _answers(wheel: Wheel, written: set[str]) -> str:
    """Return a source that defines all functions but those that are ``written`` out."""
    lines = [f"SUCCESS({name})" for name in sorted(wheel.functions - written)]
    lines += [f"ACLNN({name})" for name in sorted(wheel.kernels)]
    return "\n".join(['#include "answers.h"', *lines, ""])


def _compile(
    target: Path, *sources: Path, links: Iterable[str] = (), flags: Iterable[str] = ()
) -> None:
    run(
        "g++", "-std=c++17", "-O1", "-w", "-fPIC", "-shared", *flags, f"-I{_SOURCES}",
        f"-Wl,-soname,{target.name}", "-o", target, *sources, f"-L{target.parent}",
        "-Wl,--no-as-needed", *(f"-l:{name}" for name in links),
    )  # fmt: skip
