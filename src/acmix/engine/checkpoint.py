"""Checkpoints: one file that holds everything a run needs to go on as if it had never stopped.

A checkpoint is an ordinary MindSpore ``.ckpt``: the model's parameters have their plain names, so
``ms.load_checkpoint`` and ``ms.load_param_into_net`` of a plain network work. Beside them are the
optimizer's state, the moving average and the loss scaler under prefixes that no parameter of a
model can have, and the progress as JSON (floats in the file's own format lose digits). The random
state of the network's Cells is among its parameters, see :mod:`acmix.ops.random`.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import mindspore as ms
import numpy as np
from mindspore import Parameter, amp, nn

from acmix.engine.ema import ExponentialMovingAverage
from acmix.errors import UserError, check
from acmix.utils.files import publish, staging_folder

OPTIMIZER, AVERAGE, SCALER = "optimizer/", "ema/", "scaler/"
PROGRESS = "acmix_progress"


@dataclass(frozen=True)
class Progress:
    """How far a run has come."""

    epoch: int = 0
    """Completed epochs."""
    step: int = 0
    """Optimizer steps taken."""
    best: float | None = None
    """Largest value of the monitored metric."""
    best_epoch: int | None = None
    """Completed epochs when it was reached."""
    seed: int = 0
    """Seed of the configuration; data order and augmentation follow from it and the epoch."""
    steps_per_epoch: int = 0
    """Optimizer steps of an epoch."""


def training_state(
    network: nn.Cell,
    optimizer: nn.Optimizer,
    ema: ExponentialMovingAverage | None = None,
    scaler: amp.LossScaler | None = None,
) -> dict[str, Parameter]:
    """Return every Parameter that training changes, by its name in a checkpoint.

    The learning rate is not among them: it follows from the schedule and the step.
    """
    model = {parameter.name: parameter for parameter in network.get_parameters()}
    state = dict(model)
    for parameter in optimizer.get_parameters():
        if parameter.name not in model and parameter.name != "learning_rate":
            state[OPTIMIZER + parameter.name] = parameter
    if ema is not None:
        for name, average in zip(model, ema.averages, strict=True):
            state[AVERAGE + name] = average
    if scaler is not None:
        for name, value in vars(scaler).items():
            if isinstance(value, Parameter):
                state[SCALER + name] = value
    return state


def save_checkpoint(path: Path, state: Mapping[str, Parameter], progress: Progress) -> None:
    """Write a checkpoint; whatever happens meanwhile, ``path`` is the old file or the new one."""
    _write(path, state, {PROGRESS: json.dumps(asdict(progress))})


def save_weights(path: Path, weights: Mapping[str, Parameter]) -> None:
    """Write Parameters under the given names, as :func:`load_weights` reads them."""
    _write(path, weights, {})


def _write(path: Path, state: Mapping[str, Parameter], extra: dict[str, str]) -> None:
    # ms.save_checkpoint itself removes the old file first and never flushes.
    with staging_folder(path.parent) as folder:
        staged = folder / path.name
        ms.save_checkpoint(
            [{"name": name, "data": parameter} for name, parameter in state.items()],
            str(staged),
            append_dict=extra,
            crc_check=True,
        )
        publish(staged, path)


def read_checkpoint(path: str | Path) -> tuple[dict[str, np.ndarray], Progress]:
    """Return the tensors and the progress of a checkpoint written by :func:`save_checkpoint`.

    Raises:
        UserError: the file is missing, damaged, or not a checkpoint of a training run.
    """
    tensors, progress = _read(Path(path))
    if progress is None:
        raise UserError(
            f"{path} holds weights but no training run that could be resumed; "
            "to start from its weights use model.pretrained."
        )
    try:
        return tensors, Progress(**json.loads(progress))
    except (TypeError, ValueError) as error:
        raise UserError(f"{path} holds the progress of another version: {error}.") from error


def load_weights(path: str | Path, average: bool = True) -> dict[str, np.ndarray]:
    """Return the model's parameters of any MindSpore checkpoint, by their plain names.

    Args:
        path: a checkpoint of a training run, or any other ``.ckpt``.
        average: take the moving average where there is one, else the raw weights.

    Raises:
        UserError: the file is missing or damaged.
    """
    tensors, _ = _read(Path(path))
    weights = {name: value for name, value in tensors.items() if "/" not in name}
    if average:
        weights |= {
            name.removeprefix(AVERAGE): value
            for name, value in tensors.items()
            if name.startswith(AVERAGE)
        }
    return weights


def _read(path: Path) -> tuple[dict[str, np.ndarray], str | None]:
    check(path.is_file(), f"There is no checkpoint {path}.")
    try:
        content = ms.load_checkpoint(str(path), crc_check=True)
    except Exception as error:
        # What MindSpore raises depends on where the damage is.
        raise UserError(
            f"{path} is damaged or not a MindSpore checkpoint; use another one."
        ) from error
    progress = content.pop(PROGRESS, None)
    tensors = {
        name: np.array(value.asnumpy())
        for name, value in content.items()
        if isinstance(value, Parameter)
    }
    return tensors, progress


class CheckpointFolder:
    """``epoch_0001.ckpt`` and so on, ``last.ckpt`` and ``best.ckpt``.

    Args:
        path: the folder; made when the first checkpoint is saved.
        keep: how many of the newest epochs stay.
    """

    def __init__(self, path: Path, keep: int = 2):
        self.path = path
        self.keep = keep

    def save(self, state: Mapping[str, Parameter], progress: Progress) -> Path:
        """Save after an epoch, as ``best.ckpt`` too if it is the best so far; drop old ones."""
        target = self.path / f"epoch_{progress.epoch:04d}.ckpt"
        save_checkpoint(target, state, progress)
        self._alias(target, "last.ckpt")
        if progress.best_epoch == progress.epoch:
            self._alias(target, "best.ckpt")
        for old in self._epochs()[: -self.keep]:
            old.unlink()
        return target

    def latest(self) -> Path | None:
        """Return the checkpoint of the newest epoch, or None."""
        epochs = self._epochs()
        return epochs[-1] if epochs else None

    def drop_after(self, epoch: int) -> None:
        """Remove checkpoints newer than ``epoch``, which a run resumed there makes anew."""
        for path in self._epochs():
            if _epoch_of(path) > epoch:
                path.unlink()

    def _epochs(self) -> list[Path]:
        found = [path for path in self.path.glob("epoch_*.ckpt") if _epoch_of(path) >= 0]
        return sorted(found, key=_epoch_of)

    def _alias(self, target: Path, name: str) -> None:
        with staging_folder(self.path) as folder:
            staged = folder / name
            try:
                os.link(target, staged)
            except OSError:  # file systems without hard links
                staged.write_bytes(target.read_bytes())
            publish(staged, self.path / name)


def latest_checkpoint(run_dir: str | Path) -> Path | None:
    """Return the newest epoch's checkpoint of a run folder, or None."""
    return CheckpointFolder(Path(run_dir) / "checkpoints").latest()


def _epoch_of(path: Path) -> int:
    match = re.fullmatch(r"epoch_(\d+)\.ckpt", path.name)
    return int(match[1]) if match else -1
