"""Versions and hardware of this machine, checks against the tested range, device selection.

MindSpore is imported inside functions only: ``acmix env`` must work without it.
"""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from acmix.errors import UserError, check
from acmix.version import __version__

if TYPE_CHECKING:
    from acmix.config import RuntimeConfig

DEVICES = ("Ascend", "GPU", "CPU")
"""Device targets in the order in which ``auto`` prefers them."""

STAND_IN_SOC = "ACMIX_REHEARSAL_SOC"
"""Variable that ``acmix rehearse`` sets: the chip that its stand-in reports."""
STAND_IN_COMPUTES = "ACMIX_REHEARSAL_COMPUTES"
"""Variable that ``acmix rehearse`` sets where the software NPU computes the operators."""

_DISTRIBUTIONS = {
    "mindspore": ("mindspore", "mindspore-dev"),
    "numpy": ("numpy",),
    "opencv": (
        "opencv-python",
        "opencv-python-headless",
        "opencv-contrib-python",
        "opencv-contrib-python-headless",
    ),
}


@dataclass(frozen=True)
class Problem:
    """A deviation from the tested range: description, consequence, remedy.

    ``level`` is ``"error"`` (acmix will not work), ``"warning"`` (slow or untested) or ``"note"``.
    """

    level: Literal["error", "warning", "note"]
    what: str
    cost: str
    remedy: str


def describe() -> dict[str, str | int | None]:
    """Return versions and hardware as plain data, for ``acmix env``, run folders and benchmarks.

    Returns:
        ``acmix, python, mindspore, numpy, opencv, platform, cpu, cores, device, cann,
        ascend_driver``; ``None`` if not installed. ``device`` is the target of ``auto``, and
        ``None`` if MindSpore cannot be imported. In a rehearsal also ``stand_in``.
    """
    facts: dict[str, str | int | None] = {
        "acmix": __version__,
        "python": platform.python_version(),
        **{name: _installed(names) for name, names in _DISTRIBUTIONS.items()},
        "platform": platform.platform(),
        "cpu": _cpu_model(),
        "cores": usable_cores(),
        "device": _default_device(),
        "cann": _cann_version(),
        "ascend_driver": _version_in(Path("/usr/local/Ascend/driver/version.info")),
    }
    return facts | ({"stand_in": stand_in()} if stand_in() else {})


def stand_in() -> str:
    """Return what stands in for the Ascend device in a rehearsal; empty on a real machine."""
    soc = os.environ.get(STAND_IN_SOC, "")
    how = "computed by NumPy" if os.environ.get(STAND_IN_COMPUTES) else "nothing computed"
    return f"{soc}, {how}" if soc else ""


def problems(facts: Mapping[str, str | int | None] | None = None) -> list[Problem]:
    """Return the deviations of ``facts`` from the tested range.

    Args:
        facts: as :func:`describe` returns them; None for this machine.
    """
    facts = describe() if facts is None else facts
    found = [
        _python_problem(_version(facts["python"])),
        _mindspore_problem(facts["mindspore"], facts["device"]),
        _numpy_problem(facts["numpy"]),
        _opencv_problem(facts["opencv"]),
        _cann_problem(facts["cann"], facts["device"]),
    ]
    return [problem for problem in found if problem is not None]


def render(facts: Mapping[str, str | int | None], found: list[Problem]) -> str:
    """Return the text of ``acmix env``: a line per fact, then a paragraph per problem."""
    width = max(map(len, facts))
    lines = [
        f"{name.ljust(width)}  {'not found' if value is None else value}"
        for name, value in facts.items()
    ]
    for problem in found:
        lines += ["", f"{problem.level}: {problem.what}"]
        lines += [f"  cost:   {problem.cost}", f"  remedy: {problem.remedy}"]
    if not found:
        lines += ["", "Everything is within the tested range."]
    return "\n".join(lines)


def resolve_device(device: str = "auto") -> str:
    """Return ``device``, or for ``auto`` the first usable target of :data:`DEVICES`.

    Raises:
        UserError: ``device`` is unknown, or MindSpore cannot use it here.
    """
    check(
        device == "auto" or device in DEVICES,
        f"runtime.device: {device!r} is unknown. Known: auto, {', '.join(DEVICES)}.",
    )
    if device == "auto":
        return next(target for target in DEVICES if _usable(target))
    if not _usable(device):
        raise UserError(
            f"runtime.device: MindSpore finds no usable {device} here. "
            "Use runtime.device=auto, or see 'acmix env' for what is missing."
        )
    return device


def set_device(runtime: RuntimeConfig) -> str:
    """Apply device, execution mode, determinism and jit level; return the device target.

    Call it before the first operator runs: MindSpore cannot change the device afterwards.

    Raises:
        UserError: the device is not usable, or another one is already in use.
    """
    import mindspore as ms

    target = resolve_device(runtime.device)
    try:
        ms.set_device(target)
    except RuntimeError as error:
        # After the first operator MindSpore refuses even the device in use.
        if ms.get_context("device_target") != target:
            raise UserError(
                f"runtime.device: this process already runs on {ms.get_context('device_target')}; "
                f"{target} needs a new process."
            ) from error
    ms.set_context(mode=ms.GRAPH_MODE if runtime.mode == "graph" else ms.PYNATIVE_MODE)
    if runtime.jit_level:
        ms.set_context(jit_config={"jit_level": runtime.jit_level})
    # MindSpore accepts this once per process only.
    if runtime.deterministic and ms.get_context("deterministic") != "ON":
        ms.set_deterministic(True)
    return target


def _usable(target: str) -> bool:
    """Whether MindSpore has loaded the plugin of ``target`` and finds a device."""
    from mindspore import device_context

    if target == "CPU":
        return True
    try:
        return getattr(device_context, target.lower()).device_count() > 0
    except Exception:  # a partly installed plugin may raise any exception
        return False


def _default_device() -> str | None:
    try:
        return resolve_device("auto")
    except Exception:  # MindSpore is missing or its libraries do not load
        return None


def _installed(distributions: tuple[str, ...]) -> str | None:
    for name in distributions:
        try:
            return metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return None


def _cpu_model() -> str:
    try:
        match = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.M)
    except OSError:
        match = None
    return match.group(1) if match else platform.processor() or platform.machine()


def usable_cores() -> int:
    """Return the number of cores this process may use; a container may restrict it."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _cann_version() -> str | None:
    home = os.environ.get("ASCEND_HOME_PATH") or os.environ.get("ASCEND_TOOLKIT_HOME")
    toolkit = Path(home or "/usr/local/Ascend/ascend-toolkit/latest")
    if not toolkit.is_dir():
        return None
    return _version_in(toolkit / "compiler" / "version.info") or f"unknown version in {toolkit}"


def _version_in(info: Path) -> str | None:
    """Return the value of ``Version=`` in a ``version.info`` file of CANN."""
    try:
        match = re.search(r"^version=(.+)$", info.read_text(), re.M | re.I)
    except OSError:
        return None
    return match.group(1).strip() if match else None


def _version(text: str | int | None) -> tuple[int, int]:
    """Return major and minor number; (0, 0) if ``text`` is not a version."""
    match = re.match(r"(\d+)\.(\d+)", str(text))
    return (int(match.group(1)), int(match.group(2))) if match else (0, 0)


def _python_problem(version: tuple[int, int]) -> Problem | None:
    if (3, 10) <= version < (3, 13):
        return None
    return Problem(
        "error",
        f"Python {version[0]}.{version[1]} is outside of 3.10-3.12",
        "MindSpore 2.8 has no package for it",
        "make the environment with Python 3.10, 3.11 or 3.12",
    )


def _mindspore_problem(found: str | int | None, device: str | int | None) -> Problem | None:
    remedy = "pip install mindspore==2.8.0"
    if found is None:
        return Problem("error", "MindSpore is not installed", "nothing runs", remedy)
    if device is None:
        return Problem(
            "error",
            f"MindSpore {found} is installed but cannot be imported",
            "nothing runs",
            "see what 'python -c \"import mindspore\"' prints",
        )
    version = _version(found)
    if version == (2, 8):
        return None
    if version in ((2, 9), (2, 10)) and device == "CPU":
        cost = "CPU convolutions run on a reference kernel, about 200 times slower with AVX-512"
    else:
        cost = "acmix is tested with 2.8 only"
    return Problem("warning", f"MindSpore {found} is not 2.8", cost, remedy)


def _numpy_problem(found: str | int | None) -> Problem | None:
    remedy = 'pip install "numpy<2"'
    if found is None:
        return Problem("error", "numpy is not installed", "nothing runs", remedy)
    if _version(found)[0] < 2:
        return None
    return Problem(
        "error",
        f"numpy {found} is not 1.x",
        "MindSpore 2.8 is built against numpy 1: Tensor.reshape raises",
        remedy,
    )


def _opencv_problem(found: str | int | None) -> Problem | None:
    remedy = 'pip install "opencv-python<4.12"'
    if found is None:
        return Problem("error", "OpenCV is not installed", "no image can be read", remedy)
    if _version(found) < (4, 12):
        return None
    return Problem(
        "warning",
        f"OpenCV {found} is not older than 4.12",
        "it needs numpy 2, which MindSpore 2.8 does not run with",
        remedy,
    )


def _cann_problem(found: str | int | None, device: str | int | None) -> Problem | None:
    if found is not None:
        return None
    return Problem(
        "warning" if device == "Ascend" else "note",
        "no CANN toolkit found (ASCEND_HOME_PATH, /usr/local/Ascend/ascend-toolkit/latest)",
        "the Ascend device and the AIR format cannot be used",
        "on an Ascend host install CANN and source its set_env.sh; elsewhere nothing is missing",
    )
