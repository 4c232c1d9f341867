"""Full disks and crashes while a checkpoint is written: the one before stays and is found."""

import contextlib
import errno
import os
import resource
import shutil
import signal
from pathlib import Path

import mindspore as ms
import numpy as np
import pytest
from mindspore import Parameter, Tensor

from acmix.engine.checkpoint import Progress, read_checkpoint
from acmix.engine.checkpoint_folder import CheckpointFolder
from acmix.errors import UserError


def save(folder, epoch, size=4):
    progress = Progress(epoch, step=10 * epoch, best_step=10 * epoch, best=1.0, steps_per_epoch=10)
    state = {"w": Parameter(Tensor(np.full(size, epoch), ms.float32), name="w")}
    return folder.save(state, progress)


def contents(folder):
    return {entry.name: entry.read_bytes() for entry in folder.path.iterdir()}


@pytest.fixture
def folder(tmp_path):
    folder = CheckpointFolder(tmp_path / "checkpoints", keep=1)
    save(folder, 1)
    return folder


class Killed(BaseException):
    """Nothing after it runs, as after SIGKILL."""


@contextlib.contextmanager
def killed_before_change(number):
    """End at the given change of the file system that others can see; yields the changes."""
    changes = []

    def counted(function):
        def change(*args, **kwargs):
            if len(changes) == number:
                raise Killed
            changes.append(function.__name__)
            return function(*args, **kwargs)

        return change

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "replace", counted(os.replace))
        patch.setattr(Path, "unlink", counted(Path.unlink))
        patch.setattr(shutil, "rmtree", lambda *args, **kwargs: None)
        yield changes


def test_killed_at_any_moment_the_folder_is_the_old_or_the_new_one(folder, tmp_path):
    whole = CheckpointFolder(shutil.copytree(folder.path, tmp_path / "whole"), keep=1)
    with killed_before_change(-1) as changes:
        save(whole, 2)
    whole.move_after(20, whole.path / "aside")
    assert changes == ["replace", *2 * ["replace", "unlink"], "replace", "unlink"]
    for number in range(len(changes)):
        copy = CheckpointFolder(shutil.copytree(folder.path, tmp_path / str(number)), keep=1)
        with pytest.raises(Killed), killed_before_change(number):
            save(copy, 2)
        newest = copy.latest()
        tensors, progress = read_checkpoint(newest)[:2]
        assert progress.epoch == (1 if number == 0 else 2)
        assert (tensors["w"] == progress.epoch).all()
        copy.move_after(progress.step, copy.path / "aside")
        save(copy, 2)
        assert contents(copy) == contents(whole)


def test_full_disk_keeps_the_checkpoint_before_and_names_it(folder, monkeypatch):
    before = contents(folder)

    def fill(parameters, target, **kwargs):
        Path(target).write_bytes(b"half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(ms, "save_checkpoint", fill)
    message = r"No space left on device.*stops at step 20.*epoch_0001\.ckpt.*--resume auto"
    with pytest.raises(UserError, match=message):
        save(folder, 2)
    assert contents(folder) == before


@pytest.mark.parametrize("room", [100, 3000])
def test_file_that_the_system_refuses_to_write_keeps_the_one_before(folder, room):
    before = contents(folder)
    with file_size_limit(room), pytest.raises(UserError, match="What was there before is unchange"):
        save(folder, 2, size=10_000)
    assert contents(folder) == before
    assert save(folder, 2, size=10_000) == folder.latest()


@contextlib.contextmanager
def file_size_limit(size):
    """Let the system refuse larger files, by EFBIG as a full disk does by ENOSPC."""
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)


def test_what_the_disk_lost_silently_is_not_published(folder, monkeypatch):
    before = contents(folder)
    write = ms.save_checkpoint

    def lose(parameters, target, **kwargs):
        write(parameters, target, **kwargs)
        os.chmod(target, 0o600)
        os.truncate(target, os.path.getsize(target) - 1)

    monkeypatch.setattr(ms, "save_checkpoint", lose)
    with pytest.raises(UserError, match=r"epoch_0002\.ckpt could not be written"):
        save(folder, 2)
    assert contents(folder) == before
