"""Load a MindIR file of others in a process that may die, before this one loads it.

MindSpore's loader and compiler trust the file: tensors that fit are not enough, a graph whose nodes
do not fit each other can end the process. What has been loaded once, or was written here, is
remembered by its digest, so that the check costs seconds only once for each file.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import mindspore as ms

from acmix.errors import UserError, check
from acmix.utils.files import sha256_of, utf8_path
from acmix.utils.mindir import check_file
from acmix.utils.target import current_target
from acmix.utils.text import shorten

TIMEOUT = 600
"""Seconds after which loading a file counts as failed; the largest network takes 60."""

_REFUSED = 3
_PROGRAM = f"""
import sys
sys.path.pop(0)  # the working folder, which may hold modules of others
import resource
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
import numpy as np
import mindspore as ms
try:
    network = ms.nn.GraphCell(ms.load(sys.argv[1]))
    if sys.argv[2:]:
        network(ms.Tensor(np.zeros(list(map(int, sys.argv[2:])), np.float32)))
        ms.runtime.synchronize()
except Exception as error:
    print(str(error).strip().split(chr(10))[0], file=sys.stderr)
    sys.exit({_REFUSED})
"""


def remember(path: Path) -> None:
    """Note that a file can be loaded, in the user's folder for caches."""
    with suppress(OSError, RuntimeError):
        note = _note(path)
        note.parent.mkdir(parents=True, exist_ok=True)
        note.touch()


def check_loadable(path: Path, input_shape: Sequence[int | None] = ()) -> None:
    """Raise UserError unless MindSpore can load a MindIR file, and on CPU run it.

    Args:
        path: the file.
        input_shape: shape (B, C, H, W) of its input, None for any B; empty only loads it.
    """
    check_file(path)
    with suppress(OSError, RuntimeError):
        if _note(path).exists():
            return
    shape = [str(size or 1) for size in input_shape] if current_target().name == "CPU" else []
    environment = {**os.environ, "GLOG_v": "4"}
    try:
        with utf8_path(path) as readable:
            done = subprocess.run(
                [sys.executable, "-c", _PROGRAM, str(readable.absolute()), *shape],
                capture_output=True,
                stdin=subprocess.DEVNULL,
                env=environment,
                timeout=TIMEOUT,
            )
    except subprocess.TimeoutExpired as error:
        raise UserError(f"model: MindSpore did not load {path} in {TIMEOUT} s.") from error
    if done.returncode < 0:
        name = signal.Signals(-done.returncode).name
        raise UserError(
            f"model: {path} ends MindSpore by {name}: it is damaged or hostile, and was loaded "
            "in a process apart. Export it again from its checkpoint."
        )
    lines = done.stderr.decode(errors="replace").strip().splitlines()
    check(
        done.returncode == 0,
        f"model: MindSpore cannot load {path}: {shorten(lines[-1] if lines else 'no reason')}",
    )
    remember(path)


def _note(path: Path) -> Path:
    folder = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(folder) / "acmix" / "mindir" / f"{sha256_of(path)}-{ms.__version__}"
