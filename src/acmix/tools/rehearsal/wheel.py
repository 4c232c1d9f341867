"""What the installed MindSpore asks of CANN: read from its libraries, which are not loaded."""

from __future__ import annotations

import mmap
import re
import string
import subprocess
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from acmix.errors import UserError, check
from acmix.utils.text import shorten

VERSION = "2.8.0"
"""The MindSpore whose libraries the stand-ins are written for."""

_OF_THE_SYSTEM = re.compile(r"(ld-linux.*|lib(stdc\+\+|m|c|gomp|gcc_s|pthread|dl|rt|z|util))\.so")
# Opened by name at run time, and therefore no dependency.
_OPENED = (
    "libopapi.so",
    "libnnopbase.so",
    "libacl_op_compiler.so",
    "libacl_tdt_channel.so",
    "libacl_tdt_queue.so",
    "libascend_ml.so",
)
_LINKED = re.compile(r"(acl|rt|hal|Hccl|Hcom|Msprof|prof)\w*")
_LOOKED_UP = re.compile(
    r"acl(rt|mdl|op|tdt|prof|Set|Get|Create|Destroy|Init|Finalize|Update|Gen|Data)\w*|Hc(cl|om)[A-Z]\w*"
)
_KERNEL = re.compile(r"aclnn[A-Z]\w*")
_NO_KERNELS = {"aclnnInit", "aclnnFinalize"}
# In the libraries' texts. Plain beginnings are found ten times as fast as a look at what is before.
_WORDS = (re.compile(rb"acl[A-Za-z]\w*"), re.compile(rb"Hc(?:cl|om)[A-Z]\w*"))
_IN_WORD = frozenset(b"_" + string.ascii_letters.encode() + string.digits.encode())


def run(*command: str | Path) -> str:
    """Run a program of the compiler or binutils and return its output.

    Raises:
        UserError: it is not installed, or fails.
    """
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise UserError(
            f"rehearse: {command[0]} is not on the PATH; stand-ins for CANN's libraries are built "
            "with it. Install the system's compiler and binutils: apt-get install g++ binutils."
        ) from error
    if done.returncode:
        words = " ".join(map(str, command))
        raise UserError(f"rehearse: '{shorten(words)}' failed:", details=done.stderr.strip())
    return done.stdout


@dataclass(frozen=True)
class Wheel:
    """Libraries of MindSpore, and what they need and nobody gives.

    Args:
        folder: of MindSpore's libraries.
    """

    folder: Path

    @classmethod
    def installed(cls) -> Wheel:
        """Return the installed MindSpore.

        Raises:
            UserError: there is none, or it is of another version.
        """
        try:
            found = version("mindspore")
        except PackageNotFoundError:
            found = "none"
        spec = find_spec("mindspore")
        check(
            found == VERSION and spec is not None and spec.origin is not None,
            f"rehearse: MindSpore is {found}, and the stand-ins are for {VERSION} only. "
            f"Install it: pip install mindspore=={VERSION}.",
        )
        return cls(Path(spec.origin).parent / "lib")  # type: ignore[union-attr,arg-type]  # just checked

    @cached_property
    def libraries(self) -> list[Path]:
        """Those that are loaded with the device; kernels of language models beside them are not."""
        device = self.folder / "plugin" / "ascend"
        return [
            self.folder / "libmindspore_ge_backend.so",
            *sorted(self.folder.glob("plugin/libmindspore_*ascend*")),
            *sorted(device.glob("lib*.so")),
            *sorted(device.glob("ms_kernels_symmetric_memory/**/libshmem.so")),
        ]

    @cached_property
    def missing_libraries(self) -> list[str]:
        """Names of the libraries that neither the wheel nor the system has."""
        shipped = {path.name for path in self.folder.rglob("*.so*")}
        names = set(_OPENED)
        for library in self.libraries:
            names |= set(re.findall(r"NEEDED.*\[(.+)\]", run("readelf", "-d", library)))
        return sorted(
            name
            for name in names - shipped
            if not _OF_THE_SYSTEM.match(name) and not name.startswith("_c_")
        )

    @cached_property
    def undefined(self) -> set[str]:
        """Symbols that the libraries take from others."""
        return _symbols(*self.libraries, options=("-D", "--undefined-only"))

    @cached_property
    def words(self) -> set[str]:
        """Words in the libraries that can be names of CANN's functions."""
        found: set[bytes] = set()
        for library in self.libraries:
            with open(library, "rb") as file:
                with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
                    for word in (match for words in _WORDS for match in words.finditer(content)):
                        if content[word.start() - 1] not in _IN_WORD:
                            found.add(word[0])
        return {name.decode() for name in found}

    @property
    def functions(self) -> set[str]:
        """Names of CANN's functions in C, without operators."""
        names = {name for name in self.words if _LOOKED_UP.fullmatch(name)}
        names |= {name for name in self.undefined if _LINKED.fullmatch(name)}
        return {name for name in names if not name.startswith("aclnn")} | _NO_KERNELS

    @property
    def kernels(self) -> set[str]:
        """Names of the aclnn operators."""
        names = {name for name in self.words if _KERNEL.fullmatch(name)}
        return {name.removesuffix("GetWorkspaceSize") for name in names} - _NO_KERNELS


def defined_in(*objects: Path) -> set[str]:
    """Return the symbols that object files or libraries define."""
    return _symbols(*objects, options=("--defined-only",))


def _symbols(*files: Path, options: tuple[str, ...]) -> set[str]:
    lines = run("nm", "--format=posix", *options, *files).splitlines()
    return {line.split()[0].split("@")[0] for line in lines if line and not line.endswith(":")}
