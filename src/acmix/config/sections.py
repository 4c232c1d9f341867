"""Configuration sections shared by all tasks, one dataclass each, with all defaults."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

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

    free_on_resume: ClassVar[frozenset[str]] = frozenset(
        {"device", "mode", "deterministic", "jit_level"}
    )

    device: Literal["auto", "CPU", "GPU", "Ascend"] = "auto"
    """Device target; ``auto`` selects the first available of Ascend, GPU and CPU."""
    mode: Literal["graph", "pynative"] = "graph"
    """Execution mode: ``graph`` compiles the networks; ``pynative`` is for debugging."""
    deterministic: bool = False
    """Use deterministic kernels where the device offers them; some are slower."""
    jit_level: Literal["", "O0", "O1", "O2"] = ""
    """Graph compiler level; empty uses MindSpore's default. O2 is for Ascend only."""


_ELSEWHERE = {
    "num_classes": "model.num_classes",
    "in_channels": "data.channels",
    "drop_path_rate": "model.drop_path_rate",
}
"""Arguments of every model that have keys of their own."""


@dataclass(frozen=True)
class ModelConfig(Section, prefix="model"):
    """Arguments of ``acmix.create_model``."""

    fixed_on_resume: ClassVar[frozenset[str]] = frozenset(
        {"name", "num_classes", "kwargs", "freeze"}
    )
    free_on_resume: ClassVar[frozenset[str]] = frozenset({"pretrained", "warm_start", "reset_head"})

    name: str = "acmix_swin_tiny"
    """Model name; ``acmix list`` shows all."""
    num_classes: PositiveInt | None = None
    """Number of classes of the head; null uses the number in the data set."""
    drop_path_rate: Decay | None = None
    """Maximum stochastic depth rate (last block); null uses the model's default."""
    kwargs: dict[str, Any] = field(default_factory=dict)
    """Further keyword arguments of the model; lists become tuples."""
    pretrained: str | None = None
    """File of initial weights: a checkpoint or PyTorch weights; null initialises at random."""
    pretrained_key: str | None = None
    """Which weights of a PyTorch file with several: their key, such as ``ema``, or their prefix."""
    warm_start: Literal["strict", "exact"] = "strict"
    """How ``pretrained`` is loaded. ``strict``: weights of this model. ``exact``: weights of the
    plain model without convolution paths; the ACmix model initially computes the same function."""
    reset_head: bool = False
    """Keep the new classifier and do not load that of ``pretrained``, for other classes."""
    freeze: tuple[str, ...] = ()
    """Parameters that are not trained: patterns of names as in checkpoints, such as
    ``['stages.[01].*']``, or ``['backbone.*']`` of detectors and segmenters. BatchNorms of which
    all is frozen keep their statistics."""

    def validate(self) -> None:
        """Check rules that involve several fields."""
        check(
            self.pretrained is not None
            or (self.warm_start == "strict" and not self.reset_head and not self.pretrained_key),
            "model.warm_start, model.reset_head and model.pretrained_key say how "
            "model.pretrained is used; name a file.",
        )
        for key, owner in _ELSEWHERE.items():
            check(key not in self.kwargs, f"model.kwargs.{key}: set {owner} instead.")


NoDecay = Literal["1d", "norms", "none"]


@dataclass(frozen=True)
class OptimConfig(Section, prefix="optim"):
    """Optimizer and gradient clipping."""

    name: Literal["sgd", "adamw"] = "adamw"
    """Optimizer: ``sgd`` with momentum, or ``adamw`` (decoupled decay, bias-corrected)."""
    lr: Positive = 1e-3
    """Peak learning rate, reached at the end of the warm-up."""
    lr_batch: PositiveInt | None = None
    """Reference number of images per step for linear scaling of all learning rates. They are
    multiplied by (batch size x accumulated batches x devices) / ``lr_batch``; null: no scaling."""
    weight_decay: NonNegative = 0.05
    """Weight decay of the parameters that ``no_decay`` does not exclude."""
    no_decay: NoDecay = "1d"
    """Parameters without weight decay. ``1d``: scalars and one-dimensional ones (norms, biases),
    position bias tables, alpha and beta. ``norms``: those of LayerNorms, position bias tables,
    alpha and beta; biases and BatchNorms decay, as in Swin's dense recipes. ``none``: no parameter
    is excluded, as in PVT's dense recipes."""
    layer_decay: Ratio = 1.0
    """Factor of the learning rate from layer to layer, from the head, which has ``lr``, down to the
    stem: the last block has ``lr`` times it, the one before times its square. For fine-tuning;
    1: all layers learn alike. Weight decay, which is multiplied by the rate, follows."""
    momentum: Decay = 0.9
    """Momentum of ``sgd``."""
    nesterov: bool = False
    """Use Nesterov momentum in ``sgd``."""
    betas: tuple[Decay, Decay] = (0.9, 0.999)
    """Decay rates of the first and second moments of ``adamw``."""
    eps: Positive = 1e-8
    """Constant added to the denominator of ``adamw`` for numerical stability."""
    clip_norm: Positive | None = None
    """Maximum global norm of the gradient; null disables clipping."""

    def validate(self) -> None:
        """Check rules that involve several fields."""
        check(
            not self.nesterov or self.momentum > 0,
            f"optim.nesterov=true needs optim.momentum > 0, got {self.momentum}.",
        )

    def rate_scale(self, batch: int) -> float:
        """Return the factor on all learning rates for ``batch`` images per step."""
        return batch / (self.lr_batch or batch)


@dataclass(frozen=True)
class ScheduleConfig(Section, prefix="schedule"):
    """Learning rate schedule."""

    name: Literal["cosine", "step", "constant", "poly"] = "cosine"
    """Schedule of the learning rate after the warm-up; ``poly`` falls during the warm-up, too."""
    warmup_epochs: NonNegative = 0.0
    """Length of the linear warm-up in epochs; fractions are allowed."""
    warmup_steps: NonNegativeInt = 0
    """Length of the linear warm-up in optimizer steps, as an alternative to ``warmup_epochs``."""
    warmup_lr: NonNegative = 0.0
    """Learning rate at the start of the warm-up."""
    min_lr: NonNegative = 0.0
    """Final learning rate of ``cosine`` and ``poly``, and lower bound of ``step``."""
    power: Positive = 1.0
    """Exponent of ``poly``."""
    milestones: tuple[PositiveInt, ...] = ()
    """Epochs at which ``step`` multiplies the learning rate by ``gamma``; epochs also with
    ``train.steps``."""
    gamma: Ratio = 0.1
    """Factor applied by ``step`` at each milestone."""

    def validate(self) -> None:
        """Check rules that involve several fields."""
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

    fixed_on_resume: ClassVar[frozenset[str]] = frozenset({"ema_decay"})
    free_on_resume: ClassVar[frozenset[str]] = frozenset(
        {
            "epochs", "steps", "eval_interval", "eval_steps", "log", "log_interval", "keep",
            "safetensors", "save_interval", "recompute",
        }
    )  # fmt: skip

    epochs: PositiveInt = 100
    """Number of passes over the training set; no effect with ``steps``."""
    steps: PositiveInt | None = None
    """Length of the run in optimizer steps, in place of ``epochs``; null: ``epochs`` rules."""
    accumulate: PositiveInt = 1
    """Number of batches whose gradients are averaged for one optimizer step."""
    amp: Literal["O0", "O2"] = "O0"
    """Precision: ``O0`` float32; ``O2`` half precision with float32 norms, softmax and weights."""
    amp_dtype: Literal["float16", "bfloat16"] = "float16"
    """Half precision of ``O2``. ``bfloat16`` has the range of float32 and needs no loss scale, but
    8 bits of precision instead of 11. On Ascend from the Atlas A2 (910B) on; not on CPU."""
    loss_scale: Positive | Literal["dynamic"] = "dynamic"
    """Loss scale of float16: a constant, or ``dynamic`` to adapt it to overflows."""
    recompute: bool = False
    """Compute the blocks of the backbone again in the backward pass instead of keeping what is
    inside of them (gradient checkpointing): less memory, up to a third more time. Graph mode."""
    ema_decay: Decay | None = None
    """Decay per step of the exponential moving average of the weights; null disables it. The
    averaged weights are evaluated."""
    eval_interval: PositiveInt = 1
    """Number of epochs between evaluations; no effect with ``eval_steps``."""
    eval_steps: PositiveInt | None = None
    """Number of optimizer steps between evaluations, each after a checkpoint. The ends of epochs
    then have none, except for that of the run. Null: they follow the epochs."""
    log_interval: PositiveInt = 50
    """Number of optimizer steps between log lines, counted from the start of the run."""
    log: tuple[str, ...] = ()
    """Logs beside ``metrics.jsonl``, by name. ``tensorboard``: event files in the folder
    ``tensorboard`` of the run; it needs tensorboardX."""
    keep: PositiveInt = 2
    """Number of most recent checkpoints to keep in addition to the best."""
    safetensors: bool = False
    """Also write last.safetensors and best.safetensors with the weights only; the averaged
    weights if ``ema_decay`` is set."""
    save_interval: PositiveInt | None = None
    """Number of optimizer steps between further checkpoints, counted from the start of the run;
    null: only at the ends of epochs, or every ``eval_steps`` steps."""
    on_nonfinite: Literal["stop", "skip"] = "stop"
    """Reaction to a NaN or infinite loss: ``stop`` the run, or ``skip`` the step and count it."""
    sync_batch_norm: bool = False
    """Compute BatchNorm statistics over the batches of all devices; on Ascend only."""

    @property
    def dtype(self) -> str:
        """What the network computes in: float32, or the half precision of ``O2``."""
        return "float32" if self.amp == "O0" else self.amp_dtype
