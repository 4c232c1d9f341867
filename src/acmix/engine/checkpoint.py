"""Checkpoints: one file with everything that a run needs to continue as if uninterrupted.

A checkpoint is an ordinary MindSpore ``.ckpt``. The model's parameters have their plain names, so
that ``ms.load_checkpoint`` and ``ms.load_param_into_net`` of a plain network work. The optimizer's
state, the moving average and the loss scaler have prefixes that no parameter of a model can have.
The progress is stored as JSON, since floats in the file's own format lose digits. The random state
of the network's Cells is among its parameters, see :mod:`acmix.ops.random`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
from mindspore import Parameter, amp, nn

from acmix.engine.ema import ExponentialMovingAverage
from acmix.engine.parameter_file import read_parameters, write_parameters
from acmix.errors import UserError, check
from acmix.utils.text import shorten

OPTIMIZER, AVERAGE, SCALER = "optimizer/", "ema/", "scaler/"
_METER, _ABOUT = "meter", "about"
T = TypeVar("T")


@dataclass(frozen=True)
class Progress:
    """Progress of a run."""

    epoch: int = 0
    """Completed epochs."""
    step: int = 0
    """Optimizer steps taken."""
    best: float | None = None
    """Largest value of the monitored metric."""
    best_step: int | None = None
    """Optimizer steps taken at that value."""
    seed: int = 0
    """Seed of the configuration; data order and augmentation follow from it and the epoch."""
    steps_per_epoch: int = 0
    """Optimizer steps of an epoch."""
    workers: int = 1
    """Processes that trained together, each on its own batches."""
    position: int = 0
    """Processed images of the epoch after the completed ones, over all workers."""
    pending: bool = False
    """Whether the line of this point, and the evaluation if it is due, are outstanding."""

    @property
    def inside_epoch(self) -> bool:
        """Whether an epoch is partly trained."""
        return self.position > 0

    def steps_inside(self, global_batch: int) -> int:
        """Return the steps of ``global_batch`` images that the present epoch has had.

        At least one is left: after a change of the number of workers an epoch may have fewer steps.
        """
        return min(self.position // global_batch, self.steps_per_epoch - 1)

    def with_score(self, value: float) -> Progress:
        """Return the progress after an evaluation with this value of the monitored metric."""
        if self.best is None or value > self.best:
            return replace(self, best=value, best_step=self.step)
        return self

    @property
    def is_concluded(self) -> bool:
        """Whether no evaluation is outstanding."""
        return not self.pending

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Progress:
        """Return the Progress whose ``asdict`` is ``content``, of this version or an earlier one.

        Raises:
            ValueError: the fields are those of another version, or values have other types.
        """
        try:
            progress = cls(**_in_steps(content))
        except TypeError as error:
            raise ValueError(str(error)) from None
        for name, value in asdict(progress).items():
            missing = value is None and name in ("best", "best_step")
            right = type(value) is (bool if name == "pending" else int)
            if not (missing or right or (type(value) is float and name == "best")):
                raise ValueError(f"{name} is {value!r}")
        return progress


def _in_steps(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a Progress; earlier versions counted evaluations in epochs.

    Raises:
        ValueError: a count of an earlier version is not a number.
    """
    fields = dict(content)
    counts = {name: fields.get(name, 0) for name in ("epoch", "steps_per_epoch")}
    # Versions before `evaluated` saved after the evaluation.
    counts["evaluated"] = fields.pop("evaluated", counts["epoch"])
    best_epoch = fields.pop("best_epoch", None)
    if best_epoch is not None:
        counts["best_epoch"] = best_epoch
    for name, value in counts.items():
        if type(value) is not int:
            raise ValueError(f"{name} is {value!r}")
    if counts["evaluated"] < counts["epoch"]:
        fields["pending"] = True
    if best_epoch is not None:
        fields["best_step"] = best_epoch * counts["steps_per_epoch"]
    return fields


def training_state(
    network: nn.Cell,
    optimizer: nn.Optimizer,
    ema: ExponentialMovingAverage | None = None,
    scaler: amp.LossScaler | None = None,
) -> dict[str, Parameter]:
    """Return every Parameter that training changes, by its name in a checkpoint.

    The learning rate is left out: it follows from the schedule and the step.
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


class Checkpoint(NamedTuple):
    """What a checkpoint of a training run holds."""

    tensors: dict[str, np.ndarray]
    """Values of the training state by name."""
    progress: Progress
    meter: dict[str, Any]
    """Steps since the last line of the metrics, see :meth:`acmix.engine.meter.Meter.state`."""
    about: dict[str, Any]
    """What the run learns from and with, see :mod:`acmix.engine.identity`."""


def save_checkpoint(
    path: Path,
    state: Mapping[str, Parameter],
    progress: Progress,
    meter: Mapping[str, Any] | None = None,
    about: Mapping[str, Any] | None = None,
) -> None:
    """Write a checkpoint atomically: ``path`` is always the old file or the whole new one."""
    note = asdict(progress)
    if meter:
        note[_METER] = dict(meter)
    if about:
        note[_ABOUT] = dict(about)
    write_parameters(path, state, json.dumps(note))


def save_weights(path: Path, weights: Mapping[str, Parameter]) -> None:
    """Write a ``.ckpt`` or ``.safetensors`` that :func:`load_weights` reads.

    Args:
        path: the file.
        weights: parameters by name; from a training state the moving average, if there is one.
    """
    write_parameters(path, _weights_of(weights))


def read_checkpoint(path: str | Path) -> Checkpoint:
    """Return the content of a checkpoint written by :func:`save_checkpoint`.

    Raises:
        UserError: the file is missing, damaged, or not a checkpoint of a training run.
    """
    path = Path(path)
    tensors, note = read_parameters(path)
    check(
        bool(note),
        f"{path} holds weights but no training run that could be resumed; "
        "to start from its weights use model.pretrained.",
    )
    return Checkpoint(tensors, *_parse_note(note, path))


def read_about(path: str | Path) -> dict[str, Any]:
    """Return what a checkpoint says about its run; empty for other files of weights.

    Raises:
        UserError: the file is missing or damaged.
    """
    note = read_parameters(Path(path))[1]
    return _parse_note(note, path)[2] if note else {}


def _parse_note(note: str, path: str | Path) -> tuple[Progress, dict[str, Any], dict[str, Any]]:
    try:
        content = json.loads(note)
        if not isinstance(content, dict):
            raise ValueError("it is not an object")
        meter, about = content.pop(_METER, {}), content.pop(_ABOUT, {})
        if not (isinstance(meter, dict) and isinstance(about, dict)):
            raise ValueError(f"{_METER} or {_ABOUT} is not an object")
        return Progress.from_dict(content), meter, about
    except (ValueError, TypeError, RecursionError) as error:
        reason = shorten(str(error))
        raise UserError(f"{path} holds the progress of another version: {reason}.") from error


def load_weights(path: str | Path, average: bool = True) -> dict[str, np.ndarray]:
    """Return the model's parameters of any MindSpore checkpoint, by their plain names.

    Args:
        path: a checkpoint of a training run, or any other ``.ckpt`` or ``.safetensors`` of
            MindSpore.
        average: return the moving average if there is one, else the raw weights.

    Raises:
        UserError: the file is missing, damaged or written by PyTorch.
    """
    return _weights_of(read_parameters(Path(path))[0], average)


def _weights_of(state: Mapping[str, T], average: bool = True) -> dict[str, T]:
    weights = {name: value for name, value in state.items() if "/" not in name}
    if average:
        weights |= {
            name.removeprefix(AVERAGE): value
            for name, value in state.items()
            if name.startswith(AVERAGE)
        }
    return weights
