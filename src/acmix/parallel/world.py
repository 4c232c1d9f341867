"""`World`: communication between the processes of one training run.

On CPU, MindSpore's collectives add, gather and copy float32 only, and there is no barrier. All
communication here uses these, the same on every device.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
from collections.abc import Iterable
from typing import Any

import numpy as np
from mindspore import Parameter, Tensor, ops

from acmix.errors import check
from acmix.parallel.all_reduce import AllReduce, make_all_reduce_mean
from acmix.utils.activity import meeting
from acmix.utils.parameters import get_value, set_value

_CHUNK = 1 << 20  # numbers of one exchange of bytes: bounds the memory for large contents
_LIMB = 12  # bits; float32 adds 2^12 numbers of 12 bits exactly


class World:
    """The processes of a run, called ranks; each makes the same calls in the same order.

    ``World()`` is a single process: its methods return their arguments.

    Args:
        rank: of this process, 0 to ``size - 1``.
        size: number of processes.

    Attributes:
        all_reduce_mean: ``(tensors) -> tensors``, the means over the ranks, for use in compiled
            functions; None for a single process.
    """

    def __init__(self, rank: int = 0, size: int = 1):
        self.rank = rank
        self.size = size
        self.all_reduce_mean: AllReduce | None = make_all_reduce_mean(size) if size > 1 else None

    @property
    def is_first(self) -> bool:
        """Whether this is rank 0, the only one that writes."""
        return self.rank == 0

    def barrier(self) -> None:
        """Wait until every rank calls this."""
        if self.size > 1:
            with meeting():
                ops.AllReduce()(Tensor(np.ones(1, np.float32))).asnumpy()

    def all_reduce(self, counts: np.ndarray) -> np.ndarray:
        """Return the sums over the ranks of integers from 0 to 2^36 / size, exactly."""
        if self.size == 1:
            return counts
        limit = 1 << (24 + _LIMB)
        check(
            counts.size == 0 or (counts.min() >= 0 and int(counts.max()) < limit // self.size),
            f"counts over {self.size} devices must lie in 0..{limit // self.size - 1}.",
        )
        limbs = np.stack([counts & (1 << _LIMB) - 1, counts >> _LIMB]).astype(np.float32)
        with meeting():
            low, high = ops.AllReduce()(Tensor(limbs)).asnumpy().astype(np.int64)
        return (low + (high << _LIMB)).astype(counts.dtype)

    def gather(self, content: bytes) -> list[bytes]:
        """Return the contents of all ranks, by rank."""
        if self.size == 1:
            return [content]
        lengths = [_length(row) for row in _all_gather(_header(content))]
        numbers = _encode(content, max(lengths))
        rows = [_all_gather(chunk) for chunk in _chunks(numbers)]
        joined = np.concatenate(rows, axis=1) if rows else np.zeros((self.size, 0), np.float32)
        return [_decode(row, length) for row, length in zip(joined, lengths, strict=True)]

    def broadcast(self, value: Any) -> Any:
        """Return the value of the first rank, anything JSON can hold, on every rank."""
        if self.size == 1:
            return value
        content = json.dumps(value).encode() if self.is_first else b""
        return json.loads(self._broadcast_bytes(content, _length(_broadcast(_header(content)))))

    def broadcast_parameters(self, parameters: Iterable[Parameter]) -> None:
        """Copy the values of ``parameters`` from the first rank to every rank."""
        if self.size == 1:
            return
        for parameter in parameters:
            value = get_value(parameter)
            content = self._broadcast_bytes(value.tobytes(), value.nbytes)
            if not self.is_first:
                set_value(parameter, np.frombuffer(content, value.dtype).reshape(value.shape))

    def check_equal(self, what: str, content: Iterable[bytes], remedy: str) -> None:
        """Compare a checksum of ``content`` over the ranks; a single process reads none of it.

        Args:
            what: name of the content, for the message.
            content: parts, which must be the same on all ranks when joined.
            remedy: how the user can make them equal.

        Raises:
            UserError: on every rank; names the ranks that differ from the first.
        """
        if self.size == 1:
            return
        checksum = hashlib.sha256()
        for part in content:
            checksum.update(part)
        digests = self.gather(checksum.digest())
        others = [str(rank) for rank, digest in enumerate(digests) if digest != digests[0]]
        check(
            not others,
            f"{what} of rank {', '.join(others)} is not that of rank 0; {remedy}.",
        )

    def _broadcast_bytes(self, content: bytes, length: int) -> bytes:
        """Return ``length`` bytes of the first rank, in chunks that bound the memory."""
        chunks = [_broadcast(chunk) for chunk in _chunks(_encode(content, length))]
        return _decode(np.concatenate(chunks), length) if chunks else b""


@functools.cache
def join() -> World:
    """Join the world of the launcher that started this process; without one, return ``World()``.

    Call it after choosing the device and before making the first Tensor. The launcher starts the
    scheduler of MindSpore's cluster like a worker; the scheduler never returns from here.

    Raises:
        SystemExit: in the scheduler, at the end of the run.
    """
    if not _launched():
        return World()
    from mindspore.communication import get_group_size, get_rank, init

    init()
    if os.environ.get("MS_ROLE") == "MS_SCHED":
        raise SystemExit(0)
    return World(get_rank(), get_group_size())


def _launched() -> bool:
    """Whether a launcher, mpirun or a rank table's script started this process with others."""
    environment = os.environ
    return (
        "MS_ROLE" in environment
        or int(environment.get("OMPI_COMM_WORLD_SIZE", "1")) > 1
        or ("RANK_TABLE_FILE" in environment and int(environment.get("RANK_SIZE", "1")) > 1)
    )


# Bytes are sent in pairs, as integers below 2^16, which float32 represents exactly.


def _encode(content: bytes, length: int) -> np.ndarray:
    """Return the numbers of ``content``, padded to ``length`` bytes."""
    padded = content.ljust(length + length % 2, b"\0")
    return np.frombuffer(padded, np.uint16)


def _decode(numbers: np.ndarray, length: int) -> bytes:
    return numbers.astype(np.uint16).tobytes()[:length]


def _header(content: bytes) -> np.ndarray:
    return _encode(len(content).to_bytes(8, "little"), 8)


def _length(numbers: np.ndarray) -> int:
    return int.from_bytes(_decode(numbers, 8), "little")


def _chunks(numbers: np.ndarray) -> Iterable[np.ndarray]:
    """Cut into chunks; of few sizes, because each size is compiled separately."""
    for start in range(0, len(numbers), _CHUNK):
        yield numbers[start : start + _CHUNK]


def _padded(numbers: np.ndarray) -> Tensor:
    size = 1 << max(len(numbers) - 1, 1).bit_length()
    return Tensor(np.pad(numbers, (0, size - len(numbers))).astype(np.float32))


def _all_gather(numbers: np.ndarray) -> np.ndarray:
    """Return (ranks, numbers)."""
    padded = _padded(numbers)
    with meeting():
        rows = ops.AllGather()(padded).asnumpy().reshape(-1, padded.size)
    return rows[:, : len(numbers)]


def _broadcast(numbers: np.ndarray) -> np.ndarray:
    with meeting():
        return ops.Broadcast(0)((_padded(numbers),))[0].asnumpy()[: len(numbers)]
