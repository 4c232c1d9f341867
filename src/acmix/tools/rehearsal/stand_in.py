"""Stand-ins for CANN's libraries: built once into the user's cache, for child processes."""

from __future__ import annotations

import hashlib
import logging
import os
import platform
import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from acmix.errors import check
from acmix.tools.rehearsal.wheel import VERSION, Wheel, defined_in, run
from acmix.utils.files import staging_folder

logger = logging.getLogger(__name__)

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
    check(
        not set(":;") & set(str(target)),
        f"rehearse: library paths cannot hold {target}. Choose XDG_CACHE_HOME without ':' and ';'.",
    )
    if not target.is_dir():
        logger.info("building stand-ins for CANN's libraries, once: %s", target)
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
    """Build into ``folder``: one library, and a link to it of every other name."""
    objects = folder / "objects"
    libraries = folder / _LIBRARIES
    objects.mkdir()
    libraries.mkdir(parents=True)
    graph = [_compiled(file, objects, *_OLD_STRINGS) for file in sorted(_SOURCES.glob("ge_*.cpp"))]
    recordings = _SOURCES / "recording.cpp"
    graph.append(_compiled(recordings, objects, *_OLD_STRINGS))  # its names differ by the ABI
    acl = [
        _compiled(_SOURCES / f"{name}.cpp", objects)
        for name in ("device", "npu", "aclnn", "aclop", "hccl")
    ]
    answers = objects / "answers.cpp"
    answers.write_text(_answers(wheel, defined_in(*acl)), encoding="utf-8")
    acl += [_compiled(answers, objects), _compiled(recordings, objects)]
    library = libraries / "libascendcl.so"
    run("g++", "-shared", f"-Wl,-soname,{library.name}", "-o", library, *graph, *acl)
    shutil.rmtree(objects)
    for name in set(wheel.missing_libraries) - {library.name}:
        (libraries / name).symlink_to(library.name)
    for name, text in _PACKAGE_FILES.items():
        file = folder / _PACKAGES / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")


def _answers(wheel: Wheel, written: set[str]) -> str:
    """Return a source that defines all functions but those that are ``written`` out."""
    lines = [f"SUCCESS({name})" for name in sorted(wheel.functions - written)]
    lines += [f"ACLNN({name})" for name in sorted(wheel.kernels)]
    return "\n".join(['#include "answers.h"', *lines, ""])


def _compiled(source: Path, folder: Path, *flags: str) -> Path:
    """Compile a source; return the object file in ``folder``."""
    target = folder / f"{source.stem}-{len(flags)}.o"
    options = ("-std=c++17", "-O0", "-w", "-fPIC", f"-I{_SOURCES}", *flags)
    run("g++", *options, "-c", source, "-o", target)
    return target
