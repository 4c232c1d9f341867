"""Exchanges between ranks, here threads of one process, against loops over what each rank has."""

import json
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from acmix.tools.rehearsal import recordings
from acmix.tools.rehearsal.npu import groups
from acmix.tools.rehearsal.npu.device import compute

RANKS = 3
FLOAT32, FLOAT16, INT32 = 4, 3, 2  # HcclDataType
SUM, PRODUCT, MAXIMUM, MINIMUM = range(4)  # HcclReduceOp
RNG = np.random.default_rng(0)


@pytest.fixture
def ranks(tmp_path):
    """Return a function that makes the same call on every rank and returns their answers."""
    kept = [{} for _ in range(RANKS)]  # each rank knows its own group only

    def call(op, buffers, **more):
        def one(rank):
            send, receive = buffers[rank]
            words = {"kind": "hccl", "op": op, "group": str(tmp_path), "rank": rank}
            words |= {"size": RANKS, "send": send.ctypes.data, "receive": receive.ctypes.data}
            return serve(rank, words | more)

        with ThreadPoolExecutor(RANKS) as threads:
            return list(threads.map(one, range(RANKS)))

    def serve(rank, words):
        if words["op"] == "Join":
            kept[rank][words["group"]] = groups.Group(tmp_path, RANKS, rank)
            return
        groups.exchange(kept[rank][words["group"]], words)

    nothing = [(np.zeros(1), np.zeros(1))] * RANKS
    call("Join", nothing)
    assert not tmp_path.exists()  # the folder of the meeting is gone
    return call


@pytest.mark.parametrize(
    ("reduce", "function"),
    [(SUM, np.sum), (PRODUCT, np.prod), (MAXIMUM, np.max), (MINIMUM, np.min)],
)
@pytest.mark.parametrize(("dtype", "number"), [(np.float32, FLOAT32), (np.int32, INT32)])
def test_all_reduce(ranks, reduce, function, dtype, number):
    sent = [RNG.integers(-9, 9, 5).astype(dtype) for _ in range(RANKS)]
    received = [np.empty(5, dtype) for _ in range(RANKS)]
    pairs = list(zip(sent, received, strict=True))
    ranks("HcclAllReduce", pairs, count=5, dtype=number, reduce=reduce)
    for one in received:
        np.testing.assert_array_equal(one, function(np.stack(sent), axis=0))


def test_float16_is_added_in_float32(ranks):
    sent = [np.array([value], np.float16) for value in (2048, 1, 1)]  # 2048 + 1 is 2048 in float16
    received = [np.empty(1, np.float16) for _ in range(RANKS)]
    pairs = list(zip(sent, received, strict=True))
    ranks("HcclAllReduce", pairs, count=1, dtype=FLOAT16, reduce=SUM)
    assert [float(one[0]) for one in received] == [2050] * RANKS


def test_reduce_scatter_and_all_gather(ranks):
    sent = [RNG.integers(-9, 9, 2 * RANKS).astype(np.float32) for _ in range(RANKS)]
    parts = [np.empty(2, np.float32) for _ in range(RANKS)]
    pairs = list(zip(sent, parts, strict=True))
    ranks("HcclReduceScatter", pairs, count=2, dtype=FLOAT32, reduce=SUM)
    for rank, part in enumerate(parts):
        np.testing.assert_array_equal(part, sum(sent)[2 * rank : 2 * rank + 2])
    whole = [np.empty(2 * RANKS, np.float32) for _ in range(RANKS)]
    ranks("HcclAllGather", list(zip(parts, whole, strict=True)), count=2, dtype=FLOAT32)
    for one in whole:
        np.testing.assert_array_equal(one, sum(sent))


def test_broadcast_scatter_reduce_and_barrier(ranks):
    sent = [np.full(RANKS, rank, np.float32) for rank in range(RANKS)]
    ranks("HcclBroadcast", [(one, one) for one in sent], count=RANKS, dtype=FLOAT32, root=1)
    assert all((one == 1).all() for one in sent)
    sent = [np.arange(RANKS, dtype=np.float32) + 10 * rank for rank in range(RANKS)]
    parts = [np.empty(1, np.float32) for _ in range(RANKS)]
    pairs = list(zip(sent, parts, strict=True))
    ranks("HcclScatter", pairs, count=1, dtype=FLOAT32, root=2)
    assert [float(part[0]) for part in parts] == [20, 21, 22]
    results = [one.copy() for one in sent]
    pairs = list(zip(sent, results, strict=True))
    ranks("HcclReduce", pairs, count=RANKS, dtype=FLOAT32, reduce=SUM, root=0)
    np.testing.assert_array_equal(results[0], sum(sent))
    np.testing.assert_array_equal(results[1], sent[1])
    nothing = np.empty(1, np.float32)
    ranks("HcclBarrier", [(nothing, nothing)] * RANKS, count=0, dtype=FLOAT32)


def test_an_exchange_that_is_not_known_fails_by_its_name():
    answer = compute(json.dumps({"kind": "hccl", "op": "HcclSend"}))
    assert answer == "software NPU: HcclSend: the software NPU has no such communication"


def test_failures_of_all_processes_are_kept_for_the_report(tmp_path, monkeypatch):
    """A command may start programs whose log the rehearsal does not see, as check-ascend does."""
    monkeypatch.setenv(recordings.FOLDER, str(tmp_path))
    compute(json.dumps({"kind": "hccl", "op": "HcclSend"}))
    compute(json.dumps({"kind": "hccl", "op": "HcclRecv"}))
    said = ": the software NPU has no such communication"
    assert recordings.Recordings(tmp_path).failures == [f"HcclRecv{said}", f"HcclSend{said}"]


def test_a_rank_that_nobody_meets_gives_up(tmp_path, monkeypatch):
    monkeypatch.setattr(groups, "SECONDS", 0.1)
    with pytest.raises(ValueError, match=r"the first rank did not join within 0.1 s"):
        groups.Group(tmp_path, 2, 1)
