"""The sections that every task has, one dataclass each, with every default."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from acmix.config.typed import (
    Decay,
    NonNegative,
    NonNegativeInt,
    Positive,
    PositiveInt,
    Ratio,
    Section,
)
from acmix.errors import check


@dataclass(frozen=True)
class RuntimeConfig(Section, prefix="runtime"):
    """Device and execution mode."""

    device: Literal["auto", "CPU", "GPU", "Ascend"] = "auto"
    """``auto`` takes the first usable of Ascend, GPU, CPU."""
    mode: Literal["graph", "pynative"] = "graph"
    """``graph`` compiles the networks; ``pynative`` is for debugging."""
    deterministic: bool = False
    """Ask the device for deterministic kernels, where they are slower than the usual ones."""
    jit_level: Literal["", "O0", "O1", "O2"] = ""
    """Graph compiler level; empty takes MindSpore's default for the device. O2 is Ascend's only."""


@dataclass(frozen=True)
class ModelConfig(Section, prefix="model"):
    """Arguments of ``acmix.create_model``."""

    name: str = "acmix_swin_tiny"
    """A name out of ``acmix list``."""
    num_classes: PositiveInt | None = None
    """Classes of the head; null takes as many as the data set has."""
    drop_path_rate: Decay | None = None
    """Largest stochastic depth rate; null keeps the model's own."""
    kwargs: dict[str, Any] = field(default_factory=dict)
    """Further arguments of the model; lists become tuples."""
    pretrained: str | None = None
    """Weights that training starts from: a checkpoint, or a file of PyTorch's."""
    warm_start: Literal["strict", "exact"] = "strict"
    """``strict``: of this model; ``exact``: of its plain twin, as whose function it begins."""
    reset_head: bool = False
    """Start with a new classifier, for other classes than those of ``pretrained``."""

    def validate(self) -> None:
        """Check what involves several fields."""
        check(
            self.pretrained is not None or (self.warm_start == "strict" and not self.reset_head),
            "model.warm_start and model.reset_head say how model.pretrained is used; name a file.",
        )


@dataclass(frozen=True)
class OptimConfig(Section, prefix="optim"):
    """Optimizer and gradient clipping."""

    name: Literal["sgd", "adamw"] = "adamw"
    """``sgd`` with momentum, or ``adamw`` (decoupled decay, bias-corrected)."""
    lr: Positive = 1e-3
    """Learning rate at the end of the warm-up."""
    lr_batch: PositiveInt | None = None
    """Images per step that all learning rates are meant for; with another number (batch size x
    accumulated batches x devices) they are scaled in proportion. Null takes them as they are."""
    weight_decay: NonNegative = 0.05
    """Decay of weights; norms, biases, bias tables, alpha and beta are never decayed."""
    momentum: Decay = 0.9
    """Momentum of ``sgd``."""
    nesterov: bool = False
    """Nesterov momentum of ``sgd``."""
    betas: tuple[Decay, Decay] = (0.9, 0.999)
    """Decay of the first and second moments of ``adamw``."""
    eps: Positive = 1e-8
    """Added to the denominator of ``adamw``."""
    clip_norm: Positive | None = None
    """Largest global norm of the gradient; null does not clip."""

    def validate(self) -> None:
        """Check what involves several fields."""
        check(
            not self.nesterov or self.momentum > 0,
            f"optim.nesterov=true needs optim.momentum > 0, got {self.momentum}.",
        )

    def rate_scale(self, batch: int) -> float:
        """Return the factor on all learning rates when a step takes ``batch`` images."""
        return batch / (self.lr_batch or batch)


@dataclass(frozen=True)
class ScheduleConfig(Section, prefix="schedule"):
    """Learning rate over time."""

    name: Literal["cosine", "step", "constant"] = "cosine"
    """Course of the learning rate after the warm-up."""
    warmup_epochs: NonNegative = 0.0
    """Length of the linear warm-up; fractions of an epoch are fine."""
    warmup_steps: NonNegativeInt = 0
    """Length of the linear warm-up in optimizer steps, in place of ``warmup_epochs``."""
    warmup_lr: NonNegative = 0.0
    """Learning rate at which the warm-up starts."""
    min_lr: NonNegative = 0.0
    """Learning rate at which ``cosine`` ends, and below which ``step`` does not fall."""
    milestones: tuple[PositiveInt, ...] = ()
    """Epochs at which ``step`` multiplies the learning rate by ``gamma``."""
    gamma: Ratio = 0.1
    """Factor of ``step``."""

    def validate(self) -> None:
        """Check what involves several fields."""
        check(
            not (self.warmup_epochs and self.warmup_steps),
            f"schedule.warmup_epochs={self.warmup_epochs} and schedule.warmup_steps="
            f"{self.warmup_steps} are two ways to say one thing; set one of them to 0.",
        )
        check(
            self.name != "step" or bool(self.milestones),
            "schedule.name=step needs schedule.milestones, for example [30, 60, 90].",
        )
        check(
            all(a < b for a, b in zip(self.milestones, self.milestones[1:], strict=False)),
            f"schedule.milestones must rise, got {list(self.milestones)}.",
        )


@dataclass(frozen=True)
class TrainConfig(Section, prefix="train"):
    """Length, precision and bookkeeping of a training run."""

    epochs: PositiveInt = 100
    """Passes over the training set."""
    accumulate: PositiveInt = 1
    """Batches whose gradients are averaged into one optimizer step."""
    amp: Literal["O0", "O2"] = "O0"
    """``O0`` computes in float32; ``O2`` in float16 with float32 norms, softmax and weights."""
    loss_scale: Positive | Literal["dynamic"] = "dynamic"
    """Factor on the loss under ``O2``, fixed or adapted to overflows."""
    ema_decay: Decay | None = None
    """Decay of the exponential moving average of the weights, which is evaluated; null: none."""
    eval_interval: PositiveInt = 1
    """Epochs between evaluations."""
    log_interval: PositiveInt = 50
    """Optimizer steps between log lines."""
    keep: PositiveInt = 2
    """Newest checkpoints kept besides the best."""
    safetensors: bool = False
    """Write last.safetensors and best.safetensors too: weights alone, averaged if they are."""
    save_interval: PositiveInt | None = None
    """Optimizer steps of an epoch between checkpoints inside it; null saves at its end alone."""
    on_nonfinite: Literal["stop", "skip"] = "stop"
    """What a loss that is NaN or infinite does: end the run, or leave the step out and count it."""
    sync_batch_norm: bool = False
    """Let BatchNorm see the batches of all devices; on Ascend only."""
