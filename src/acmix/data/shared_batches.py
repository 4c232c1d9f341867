"""Batches in anonymous shared memory: written by one process, read by another without a copy.

The memory has no name (Linux: ``memfd_create``). It is gone with the last process that has it,
however that one ends, and it does not count against the size of ``/dev/shm``.
"""

from __future__ import annotations

import mmap
import os
import weakref
from collections.abc import Sequence

import numpy as np

Layout = tuple[tuple[str, tuple[int, ...], int], ...]
"""Of each array: type, shape, and first byte in the memory."""

_ALIGNMENT = 64


def is_supported() -> bool:
    """Return whether this system has memory without a name."""
    return hasattr(os, "memfd_create")


class WrittenSlots:
    """The memories of a process that writes batches; there are as many as batches in use."""

    def __init__(self) -> None:
        self._memories: list[mmap.mmap] = []
        self._free: list[int] = []

    def release(self, slots: Sequence[int]) -> None:
        """Take back slots whose batches are no longer used."""
        self._free += slots

    def write(self, arrays: Sequence[np.ndarray]) -> tuple[int, Layout, int | None]:
        """Copy a batch into a slot.

        Returns:
            Number of the slot, what is where in it, and the descriptor of its memory if that is
            new; else None. The caller closes the descriptor.
        """
        layout, size = _arrange(arrays)
        slot, descriptor = self._slot(max(size, 1))
        for array, (kind, shape, start) in zip(arrays, layout, strict=True):
            target = np.frombuffer(self._memories[slot], kind, array.size, start)
            np.copyto(target.reshape(shape), array)
        return slot, layout, descriptor

    def _slot(self, size: int) -> tuple[int, int | None]:
        for place, slot in enumerate(self._free):
            if len(self._memories[slot]) >= size:
                del self._free[place]
                return slot, None
        descriptor = os.memfd_create("acmix-batch")
        os.ftruncate(descriptor, size)
        memory = mmap.mmap(descriptor, size)
        if self._free:  # all are too small: one is replaced, so that memory does not grow
            slot = self._free.pop()
            self._memories[slot].close()
            self._memories[slot] = memory
        else:
            slot = len(self._memories)
            self._memories.append(memory)
        return slot, descriptor


class ReadSlots:
    """The memories of another process, as the process sees them that uses the batches.

    A slot is in use as long as an array of its batch is. Then its number is in :meth:`take_unused`.
    """

    def __init__(self) -> None:
        self._memories: dict[int, mmap.mmap] = {}
        self._unused: list[int] = []

    def add(self, slot: int, descriptor: int) -> None:
        """Map the memory of a slot, new or in place of an earlier one; close the descriptor."""
        try:
            size = os.fstat(descriptor).st_size
            self._memories[slot] = mmap.mmap(descriptor, size)
        finally:
            os.close(descriptor)

    def read(self, slot: int, layout: Layout) -> tuple[np.ndarray, ...]:
        """Return the arrays of a batch, which are views of the slot's memory."""
        # All views have this array as their base; it goes with the last of them.
        whole = np.frombuffer(self._memories[slot], np.uint8)
        weakref.finalize(whole, self._unused.append, slot).atexit = False
        return tuple(_view(whole, *place) for place in layout)

    def take_unused(self) -> list[int]:
        """Return the slots that became unused since the last call."""
        found = []
        while self._unused:
            found.append(self._unused.pop())
        return found


def _arrange(arrays: Sequence[np.ndarray]) -> tuple[Layout, int]:
    """Return where arrays are placed one behind the other, and how many bytes that takes."""
    places, end = [], 0
    for array in arrays:
        start = -(-end // _ALIGNMENT) * _ALIGNMENT
        places.append((array.dtype.str, array.shape, start))
        end = start + array.nbytes
    return tuple(places), end


def _view(whole: np.ndarray, kind: str, shape: tuple[int, ...], start: int) -> np.ndarray:
    end = start + int(np.prod(shape, dtype=np.int64)) * np.dtype(kind).itemsize
    return whole[start:end].view(kind).reshape(shape)
