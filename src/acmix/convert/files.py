"""Read and write files of PyTorch weights without executing code from them.

``.npz`` is read without pickles, ``.safetensors`` cannot contain any, and ``.pth`` is read by
torch's restricted unpickler for tensors.
"""

from __future__ import annotations

import pickle
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from acmix.errors import UserError, check
from acmix.utils.files import publish, staging_folder

State = dict[str, np.ndarray]

MAX_BYTES = 4 * 2**30
"""Maximum unpacked size of a file; the largest model of the paper has 0.3 GiB of weights."""

_CONTAINERS = ("state_dict", "model")
"""Keys under which training scripts store the state dict, in addition to the optimizer's."""

_PARALLEL_PREFIX = "module."
"""Prefix of the names under DistributedDataParallel."""


def read_state(path: str | Path) -> State:
    """Read a torch state dict from ``.pth``, ``.pt``, ``.safetensors`` or ``.npz``.

    A state dict inside ``{"model": ...}`` or ``{"state_dict": ...}`` is extracted, and the prefix
    ``module.`` of parallel training is removed from the names.

    Raises:
        UserError: the file is missing, too large or damaged, contains other objects than tensors,
            or is a ``.pth`` file and torch is not installed.
    """
    path = Path(path)
    reader = _READERS.get(path.suffix)
    if reader is None:
        raise UserError(
            f"{path}: weights are read from {', '.join(STATE_SUFFIXES)}, not '{path.suffix}'."
        )
    check(path.is_file(), f"{path} does not exist.")
    _check_size(path, path.stat().st_size)
    state = _without_containers(reader(path))
    check(bool(state), f"{path} holds no tensors.")
    for name, value in state.items():
        check(
            isinstance(value, np.ndarray) and value.dtype.kind in "biuf",
            f"{path}: '{name}' is not an array of numbers; keep only the state dict in the file.",
        )
    if all(name.startswith(_PARALLEL_PREFIX) for name in state):
        state = {name.removeprefix(_PARALLEL_PREFIX): value for name, value in state.items()}
    return state


def check_state_file(path: str | Path) -> None:
    """Raise UserError unless :func:`write_state` can write a file of this name."""
    suffix = Path(path).suffix
    check(
        suffix in (".safetensors", ".npz"),
        f"{path}: weights for PyTorch are written as .safetensors or .npz, not '{suffix}'.",
    )


def write_state(state: Mapping[str, np.ndarray], path: str | Path) -> None:
    """Write arrays by name as ``.safetensors`` or ``.npz``.

    Raises:
        UserError: the suffix is not supported, or the folder is not writable.
    """
    check_state_file(path)
    path = Path(path)
    with staging_folder(path.parent) as folder:
        staged = folder / path.name
        if path.suffix == ".npz":
            np.savez(staged, **state)
        else:
            arrays = {name: np.ascontiguousarray(value) for name, value in state.items()}
            staged.write_bytes(save(arrays))  # save_file hides a full disk in its own error type
        publish(staged, path)


def _read_npz(path: Path) -> dict[str, Any]:
    with _damage_reported(path):
        _check_archive(path)
        with np.load(path, allow_pickle=False) as content:
            return {name: content[name] for name in content.files}


def _read_safetensors(path: Path) -> dict[str, Any]:
    with _damage_reported(path):
        content = load_file(path)
    # MindSpore registers bfloat16 with NumPy, but without arithmetic.
    return {
        name: value.astype(np.float32) if value.dtype.name == "bfloat16" else value
        for name, value in content.items()
    }


def _read_torch(path: Path) -> dict[str, Any]:
    try:
        import torch
    except ImportError as error:
        raise UserError(
            f"{path} is a pickle of PyTorch, which is not installed: pip install torch, or convert "
            "the file to .safetensors where it is."
        ) from error
    if zipfile.is_zipfile(path):
        with _damage_reported(path):
            _check_archive(path)
    with _damage_reported(path):
        try:
            content = torch.load(path, map_location="cpu", weights_only=True)
        except pickle.UnpicklingError as error:
            raise UserError(
                f"{path} is damaged or holds objects that are not tensors, and those could run "
                "code: they are never loaded. Keep only the state dict, in .safetensors."
            ) from error

    def to_numpy(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {str(name): to_numpy(item) for name, item in value.items()}
        if not isinstance(value, torch.Tensor):
            return value
        value = value.detach()
        # NumPy does not support bfloat16.
        return (value.float() if value.dtype == torch.bfloat16 else value).numpy()

    return to_numpy(content)


_READERS: dict[str, Callable[[Path], dict[str, Any]]] = {
    ".pth": _read_torch,
    ".pt": _read_torch,
    ".safetensors": _read_safetensors,
    ".npz": _read_npz,
}
STATE_SUFFIXES = tuple(_READERS)
"""Suffixes of the files that :func:`read_state` reads."""


@contextmanager
def _damage_reported(path: Path) -> Iterator[None]:
    """Convert library errors for a damaged file to a UserError."""
    try:
        yield
    except UserError:
        raise
    except (
        OSError, ValueError, EOFError, KeyError, RuntimeError, MemoryError, NotImplementedError,
        SafetensorError, zipfile.BadZipFile, zlib.error,
    ) as error:  # fmt: skip
        raise UserError(
            f"{path} is damaged or not a {path.suffix} file of tensors: {error}."
        ) from error


def _check_archive(path: Path) -> None:
    """Check the unpacked size of a zip archive."""
    with zipfile.ZipFile(path) as archive:
        _check_size(path, sum(member.file_size for member in archive.infolist()))


def _check_size(path: Path, size: int) -> None:
    check(
        size <= MAX_BYTES,
        f"{path} unpacks to {size / 2**30:.1f} GiB; weights of up to {MAX_BYTES / 2**30:.0f} "
        "GiB are read.",
    )


def _without_containers(content: Any) -> dict[str, Any]:
    """Extract the state dict from the containers of a training script."""
    while isinstance(content, Mapping):
        inner = next((content[key] for key in _CONTAINERS if key in content), None)
        if not isinstance(inner, Mapping):
            return dict(content)
        content = inner
    raise UserError(f"the file holds a {type(content).__name__} instead of a state dict.")
