"""Read and write files of PyTorch weights without executing code from them.

What a file is, its content says. Nothing that a pickle names is imported or called, and torch is
never used: see :mod:`acmix.utils.pickled`.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import numpy as np
from safetensors.numpy import save

from acmix.convert.archive import Archive, damage_reported
from acmix.convert.containers import (
    Found,
    Leaf,
    check_harmless,
    find_state,
    foreign_objects,
    without_wrappers,
)
from acmix.convert.npz_file import is_npz, read_npz
from acmix.convert.pending import Pending
from acmix.convert.torch_file import (
    Content,
    is_torch_archive,
    read_pickle_file,
    read_torch_archive,
)
from acmix.errors import UserError, check
from acmix.utils.files import publish, staging_folder
from acmix.utils.limits import MAX_NAME, MAX_TENSORS, check_unpacked
from acmix.utils.reading import reading
from acmix.utils.safetensors_file import read_safetensors
from acmix.utils.text import first_few, shorten
from acmix.utils.weight_kind import CKPT, PICKLE, READ, SAFETENSORS, kind_of

logger = logging.getLogger(__name__)

State = dict[str, np.ndarray]


def read_state(path: str | Path, key: str | None = None) -> State:
    """Read the state dict in a file of PyTorch weights, whatever its suffix.

    Files of ``torch.save``, pickles of arrays, ``.safetensors`` and ``.npz`` are read. The state
    dict is found inside usual containers (``state_dict``, ``model``, ...). Parts that wrappers add
    to names (``module.``, ``_orig_mod.``) are removed; other prefixes depend on the model, see
    :func:`acmix.convert.dialects.to_official`. bfloat16 becomes float32. What is left out is
    logged.

    Args:
        path: the file.
        key: chooses one of several state dicts: the keys that lead to it, joined by dots, or the
            beginning of its names.

    Raises:
        UserError: the file is missing, too large, damaged or hostile; holds no tensors, tensors of
            a type that is not read, or several state dicts and no ``key``.
    """
    path = Path(path)
    kind = kind_of(path)
    check(
        kind != CKPT,
        f"{path} is a checkpoint of MindSpore, not of PyTorch: it needs no conversion.",
    )
    with reading(path):
        if kind == SAFETENSORS:
            tensors: Mapping[str, Leaf] = read_safetensors(path)[0]
            return _arrays(path, find_state(path, tensors, key))
        if kind == PICKLE:
            return _from_pickle(path, read_pickle_file(path), key)
        with closing(Archive(path)) as archive:
            if is_torch_archive(archive.names):
                return _from_pickle(path, read_torch_archive(archive), key)
            if is_npz(archive.names):
                return _arrays(path, find_state(path, read_npz(archive), key))
            raise UserError(
                f"{path} is a zip archive without weights; it holds "
                f"{first_few([shorten(name, 60) for name in archive.names]) or 'nothing'}. "
                f"Read are {READ}."
            )


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


def _from_pickle(path: Path, content: Content, key: str | None) -> State:
    pickled, meaning = content
    check_harmless(path, pickled.called, pickled.content)
    found = find_state(path, pickled.content, key, meaning)
    foreign = foreign_objects(pickled.content)
    if foreign:
        logger.info("%s also holds objects, which are left out: %s", path, first_few(foreign))
    return _arrays(path, found)


def _arrays(path: Path, found: Found) -> State:
    """Read the tensors of a state dict, under names without wrappers."""
    if found.path:
        logger.info("The weights are under '%s' in %s", shorten(found.path), path)
    if found.others:
        others = [f"'{shorten(k, 60)}' ({v})" for k, v in found.others.items()]
        logger.info("Left out are entries that are no tensors: %s", first_few(others))
    pending = {name: leaf for name, leaf in found.tensors.items() if isinstance(leaf, Pending)}
    for name, tensor in pending.items():
        check(not tensor.problem, f"{path}: '{shorten(name, 100)}' {tensor.problem}.")
    check(
        len(found.tensors) <= MAX_TENSORS and all(len(name) <= MAX_NAME for name in found.tensors),
        f"{path} holds {len(found.tensors)} tensors, or names of more than {MAX_NAME} characters; "
        f"up to {MAX_TENSORS} are read.",
    )
    check_unpacked(path, sum(tensor.bytes for tensor in pending.values()), path.stat().st_size)
    short = without_wrappers(list(found.tensors))
    with damage_reported(path):
        return {
            short[name]: leaf.read() if isinstance(leaf, Pending) else leaf
            for name, leaf in found.tensors.items()
        }
