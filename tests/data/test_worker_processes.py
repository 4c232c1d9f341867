"""Worker processes: the same batches as threads, and no end without a word or with a remnant."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from coco_files import annotation, coco_tree, detection_config, write_split
from image_files import folder_config, make_folder
from pair_files import make_pairs, pair_config

from acmix.config import DetectionDataConfig, SegmentationDataConfig
from acmix.data import create_dataset, prepare_mindrecord
from acmix.data.shared_batches import ReadSlots, WrittenSlots
from acmix.errors import UserError

AUGMENTED = {
    "rand_augment": 5.0, "random_erasing": 0.5, "mixup": 0.8, "workers_are": "processes",
    "num_workers": 2,
}  # fmt: skip
PATIENCE = 20.0


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return make_folder(tmp_path_factory.mktemp("images"), {"ant": 7, "bee": 6})


@pytest.fixture(scope="module")
def data(root):
    """A data set whose workers several tests use."""
    return create_dataset(folder_config(root, **AUGMENTED), "train", seed=3)


def assert_same(ours, theirs):
    ours, theirs = list(ours), list(theirs)
    assert len(ours) == len(theirs)
    for batch, expected in zip(ours, theirs, strict=True):
        for array, original in zip(batch, expected, strict=True):
            np.testing.assert_array_equal(array, original, strict=True)


def with_threads(config, split="train", **options):
    return create_dataset(replace(config, workers_are="threads"), split, seed=3, **options)


def is_gone(pid):
    """Whether a process has ended; one that nobody has waited for counts as there."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.05)
    return False


@pytest.mark.parametrize(("epoch", "skipped"), [(0, 0), (2, 3)])
def test_batches_are_those_of_threads_bit_by_bit(data, root, epoch, skipped):
    threads = with_threads(folder_config(root, **AUGMENTED))
    assert_same(data.epoch(epoch, skipped), threads.epoch(epoch, skipped))
    assert len(data.worker_processes) == 2


@pytest.mark.parametrize("where", ["in the path", "in the working folder"])
def test_modules_of_others_shadow_none_of_pythons(root, tmp_path, monkeypatch, where):
    """As those of MindSpore do, whose compiler adds folders of its own to the path."""
    for name in ("math", "datetime", "json"):
        (tmp_path / f"{name}.py").write_text("raise ImportError('the wrong one')\n")
    if where == "in the path":
        monkeypatch.syspath_prepend(tmp_path)
    else:
        monkeypatch.chdir(tmp_path)
    processes = create_dataset(folder_config(root, **AUGMENTED), "train", seed=3)
    assert_same(processes.epoch(0), with_threads(folder_config(root, **AUGMENTED)).epoch(0))


def test_the_same_processes_serve_all_epochs_and_interleaved_ones(data, root):
    before = data.worker_processes
    threads = with_threads(folder_config(root, **AUGMENTED))
    pairs = zip(data.epoch(5), data.epoch(6), strict=True)
    expected = zip(threads.epoch(5), threads.epoch(6), strict=True)
    for ours, theirs in zip(pairs, expected, strict=True):
        assert_same(ours, theirs)
    assert data.worker_processes == before


def test_an_epoch_that_is_left_early_disturbs_no_later_one(data, root):
    left = data.epoch(1)
    next(left)
    left.close()
    assert_same(data.epoch(4), with_threads(folder_config(root, **AUGMENTED)).epoch(4))


def test_batches_that_are_kept_are_not_overwritten(data):
    kept = list(data.epoch(7))
    copies = [[array.copy() for array in batch] for batch in kept]
    for _ in range(3):
        list(data.epoch(8))
    assert_same(kept, copies)


def test_memory_is_used_again_once_a_batch_is_let_go():
    written, read = WrittenSlots(), ReadSlots()
    for value in range(5):
        slot, layout, descriptor = written.write([np.full((3, 5), value), np.arange(value)])
        assert slot == 0
        if descriptor is not None:
            read.add(slot, descriptor)
        first, second = read.read(slot, layout)
        assert (first == value).all()
        assert second.tolist() == list(range(value))
        del first
        assert read.take_unused() == []
        del second
        written.release(read.take_unused())


def test_a_slot_that_is_too_small_is_replaced_and_one_in_use_is_not():
    written, read = WrittenSlots(), ReadSlots()
    slot, layout, descriptor = written.write([np.zeros(8)])
    read.add(slot, descriptor)
    (small,) = read.read(slot, layout)
    other, layout, descriptor = written.write([np.ones(8)])
    read.add(other, descriptor)
    assert other != slot
    assert small.tolist() == [0] * 8
    del small
    written.release(read.take_unused())
    again, layout, descriptor = written.write([np.full(10_000, 2.0)])
    assert again == slot
    read.add(again, descriptor)
    assert read.read(again, layout)[0].sum() == 20_000


def read_on(batches, data):
    list(batches)
    list(data.epoch(1))


def detection_root(folder):
    sizes = {1: (40, 30), 2: (30, 40), 3: (40, 30), 4: (60, 20), 5: (30, 40)}
    boxes = [annotation(i, (2, 3, 10, 12)) for i in sizes]
    for split in ("train2017", "val2017"):
        write_split(folder, coco_tree(sizes, boxes), split)
    return detection_config(folder)


def segmentation_root(folder):
    return pair_config(make_pairs(folder), eval_ratios=(1.0, 0.5))


CONFIGS = {
    "detection": detection_root,
    "segmentation": segmentation_root,
    "shapes": lambda folder: DetectionDataConfig(name="shapes", short_side=(64,), long_side=96),
    "label_shapes": lambda folder: SegmentationDataConfig(name="label_shapes", crop_size=32),
    "classification": lambda folder: folder_config(make_folder(folder), mixup=0.5),
}


@pytest.mark.parametrize("split", ["train", "val"])
@pytest.mark.parametrize(
    "kind", [name if name == "detection" else pytest.param(name, marks=pytest.mark.exhaustive)
             for name in CONFIGS],
)  # fmt: skip
def test_every_kind_of_data_is_that_of_threads_on_every_shard(kind, split, tmp_path):
    config = replace(CONFIGS[kind](tmp_path), workers_are="processes", num_workers=2)
    options = {"num_shards": 2, "shard_id": 1}
    ours = create_dataset(config, split, seed=3, **options)
    first, last = 0, min(len(ours), 8)
    batches = [batch for batch, _ in zip(ours.epoch(1), range(first, last), strict=False)]
    expected = with_threads(config, split, **options).epoch(1)
    assert_same(batches, [batch for batch, _ in zip(expected, range(first, last), strict=False)])


def test_mindrecord_is_read_by_processes(root, tmp_path):
    target = tmp_path / "copy"
    prepare_mindrecord(folder_config(root), target)
    config = folder_config(target, **AUGMENTED)
    ours = create_dataset(config, "train", seed=3)
    assert_same(ours.epoch(1), with_threads(folder_config(root, **AUGMENTED)).epoch(1))


def test_an_image_that_cannot_be_read_is_named(tmp_path):
    root = make_folder(tmp_path)
    data = create_dataset(folder_config(root, **AUGMENTED), "train", seed=3)
    list(data.epoch(0))
    (root / "train" / "bee" / "1.png").write_bytes(b"none")
    with pytest.raises(UserError, match=r"cannot read image .*bee/1\.png"):
        list(data.epoch(1))


def test_a_killed_worker_ends_the_epoch_with_its_number_the_signal_and_a_remedy(root):
    data = create_dataset(folder_config(root, **AUGMENTED), "train", seed=3)
    batches = data.epoch(0)
    next(batches)
    victim, other = data.worker_processes
    os.kill(victim, signal.SIGKILL)
    with pytest.raises(UserError, match=rf"worker 1 of 2 \(process {victim}\).*SIGKILL") as raised:
        read_on(batches, data)
    assert "lower data.num_workers" in str(raised.value)
    assert is_gone(victim)
    assert is_gone(other)
    with pytest.raises(UserError, match="have ended"):
        list(data.epoch(2))


def test_the_process_that_starts_workers_may_be_killed(root):
    data = create_dataset(folder_config(root, **AUGMENTED), "train", seed=3)
    batches = data.epoch(0)
    next(batches)
    workers = data.worker_processes
    os.kill(data._pool._process.pid, signal.SIGKILL)
    with pytest.raises(UserError, match="SIGKILL"):
        read_on(batches, data)
    assert all(map(is_gone, workers))


def test_processes_end_with_the_data_set_and_none_is_left_unwaited_for(root):
    data = create_dataset(folder_config(root, **AUGMENTED), "train", seed=3)
    list(data.epoch(0))
    processes = [data._pool._process.pid, *data.worker_processes]
    del data
    assert all(map(is_gone, processes))


PARENT = """
    import sys, time
    sys.path.insert(0, {tests!r})
    from image_files import folder_config
    from acmix.data import create_dataset
    data = create_dataset(folder_config({root!r}, workers_are="processes", num_workers=2), "train",
                          seed=0)
    batches = data.epoch(0)
    next(batches)
    print(data._pool._process.pid, *data.worker_processes, "mindspore" in sys.modules, flush=True)
    {then}
"""


def start_parent(root, then):
    tests = str(Path(__file__).parent)
    program = textwrap.dedent(PARENT).format(tests=tests, root=str(root), then=then)
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    *processes, imported = process.stdout.readline().split()
    return process, [int(pid) for pid in processes], imported


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_processes_end_with_their_parent_however_it_ends(root, number, heard):
    heard(signal.SIGINT)
    before = sorted(os.listdir("/dev/shm"))
    process, processes, imported = start_parent(root, "time.sleep(60)")
    assert imported == "False"  # workers need no MindSpore, nor does who only reads data
    process.send_signal(number)
    process.communicate(timeout=PATIENCE)
    assert process.returncode in (-number, 1)
    assert all(map(is_gone, processes))
    assert sorted(os.listdir("/dev/shm")) == before


@pytest.mark.parametrize(("then", "code"), [("", 0), ("raise RuntimeError", 1)])
def test_processes_end_with_a_program_that_ends_by_itself(root, then, code):
    process, processes, _ = start_parent(root, then)
    process.communicate(timeout=PATIENCE)
    assert process.returncode == code
    assert all(map(is_gone, processes))


def test_signals_to_the_whole_group_leave_the_decision_to_training(data):
    for number in (signal.SIGINT, signal.SIGTERM):
        for pid in [data._pool._process.pid, *data.worker_processes]:
            os.kill(pid, number)
    assert len(list(data.epoch(9))) == len(data)


def test_data_that_cannot_be_sent_stays_with_threads_unless_processes_are_asked_for(root):
    data = create_dataset(folder_config(root, num_workers=4), "train", seed=0)
    data._unsendable = lambda: None
    assert len(list(data.epoch(0))) == len(data)
    assert data.worker_processes == []
    data._workers_are = "processes"
    with pytest.raises(UserError, match=r"data\.workers_are=processes.*threads"):
        data.epoch(0)


@pytest.mark.parametrize(("workers", "processes"), [(1, 0), (3, 0), (4, 4)])
def test_processes_are_the_default_from_four_workers_on(root, workers, processes):
    data = create_dataset(folder_config(root, num_workers=workers), "train", seed=0)
    list(data.epoch(0))
    assert len(data.worker_processes) == processes
