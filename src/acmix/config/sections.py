"""What can be configured: one dataclass per section of a YAML file, with every default."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from acmix.config.data import DataConfig
from acmix.config.typed import (
    Decay,
    NonNegative,
    NonNegativeInt,
    Positive,
    PositiveInt,
    Probability,
    Ratio,
    Section,
)
from acmix.config.yaml_text import dump_yaml
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
class DetectorConfig(Section, prefix="detector"):
    """What ``acmix.models.detection.create_detector`` puts on the backbone of ``model``."""

    name: str = "retinanet"
    """A detector out of ``acmix list --detectors``, without the backbone's name."""
    frozen_stages: NonNegativeInt = 0
    """Stem and this many first stages of the backbone are not trained; 0 trains all."""
    frozen_norm: bool = False
    """BatchNorms of the backbone keep and use their running statistics in training."""
    kwargs: dict[str, Any] = field(default_factory=dict)
    """Further arguments of the detector; lists become tuples."""
    score_threshold: Probability = 0.05
    """Detections with a lower score are dropped before non-maximum suppression."""
    nms_threshold: Probability = 0.5
    """IoU above which the lower of two detections of one class is suppressed."""
    max_detections: PositiveInt = 100
    """Detections kept of an image."""


@dataclass(frozen=True)
class LossConfig(Section, prefix="loss"):
    """Training loss of classifiers; a detector's is among ``detector.kwargs``."""

    label_smoothing: Decay = 0.0
    """Share of the target spread evenly over all classes."""


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


@dataclass(frozen=True)
class Config(Section):
    """Everything that defines a run.

    Raises:
        UserError: a wrong type or an impossible value, naming the dotted key, the value and what
            is allowed.
    """

    seed: NonNegativeInt = 0
    """Seed of initial weights, data order, augmentation and dropout."""
    output: str = "runs/acmix"
    """Run folder; files read by :func:`load_config` default to ``runs/<name of the file>``."""
    profile: bool = False
    """Measure the parts of a training step before training goes on, undisturbed."""
    task: Literal["classification", "detection"] = "classification"
    """What is learned."""
    runtime: RuntimeConfig = field(default_factory=RuntimeConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    detector: DetectorConfig = field(default_factory=DetectorConfig)
    data: DataConfig = field(default_factory=DataConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    optim: OptimConfig = field(default_factory=OptimConfig)
    schedule: ScheduleConfig = field(default_factory=ScheduleConfig)
    train: TrainConfig = field(default_factory=TrainConfig)

    def validate(self) -> None:
        """Check what involves several sections."""
        check(
            self.schedule.warmup_epochs <= self.train.epochs,
            f"schedule.warmup_epochs={self.schedule.warmup_epochs} must not exceed "
            f"train.epochs={self.train.epochs}.",
        )
        for name in ("warmup_lr", "min_lr"):
            value = getattr(self.schedule, name)
            check(
                value <= self.optim.lr,
                f"schedule.{name}={value} must not exceed optim.lr={self.optim.lr}.",
            )
        check(
            self.task == self.data.task,
            f"task={self.task} cannot be learned from data.name={self.data.name}, which is for "
            f"{self.data.task}; set task={self.data.task} or another data.name.",
        )
        if self.task == "detection":
            self._check_detection()
        else:
            check(
                self.detector == DetectorConfig(),
                "the section 'detector' needs task=detection.",
            )
        check(
            not (self.runtime.mode == "pynative" and self.runtime.jit_level),
            f"runtime.jit_level={self.runtime.jit_level} needs runtime.mode=graph.",
        )

    @property
    def network_name(self) -> str:
        """Name of what is trained: the model's, or a detector's with its backbone."""
        if self.task == "detection":
            return f"{self.detector.name}_{self.model.name}"
        return self.model.name

    def _check_detection(self) -> None:
        check(
            self.loss.label_smoothing == 0,
            f"loss.label_smoothing={self.loss.label_smoothing} is for classifiers; set it to 0.",
        )
        check(
            not self.model.reset_head,
            "model.reset_head=true is for classifiers: detectors leave the classifier of "
            "model.pretrained out anyway.",
        )

    def to_yaml(self) -> str:
        """Return YAML that :func:`load_config` reads back to an equal ``Config``."""
        return dump_yaml(self.to_dict())
