"""What can be configured: one dataclass per section of a YAML file, with every default."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from acmix.config.typed import (
    CropShare,
    Decay,
    ImageSize,
    Interpolation,
    Magnitude,
    NonNegative,
    NonNegativeInt,
    Positive,
    PositiveInt,
    Probability,
    Range,
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
class DataConfig(Section, prefix="data"):
    """Data set, decoding, augmentation, batches."""

    name: Literal["digits", "image_folder"] = "image_folder"
    """``digits`` is embedded in scikit-learn; ``image_folder`` reads ``root/train/<class>/*``."""
    root: str | None = None
    """Folder of an ``image_folder``, with the sub-folders ``train`` and ``val``."""
    image_size: ImageSize = 224
    """Side of the square image the network sees, in pixels."""
    channels: Literal[1, 3] = 3
    """1 reads images as grey, 3 as RGB, whatever is in the files."""
    mean: tuple[float, ...] = (0.485, 0.456, 0.406)
    """Mean per channel of pixels scaled to 0..1; the default is ImageNet's."""
    std: tuple[Positive, ...] = (0.229, 0.224, 0.225)
    """Standard deviation per channel of pixels scaled to 0..1."""
    interpolation: Interpolation = "bicubic"
    """How images are resized, in training and evaluation; shrinking is antialiased."""

    batch_size: PositiveInt = 64
    """Samples per training step on each device."""
    eval_batch_size: PositiveInt | None = None
    """Samples per evaluation batch on each device; null takes ``batch_size``."""
    num_workers: PositiveInt = 2
    """Threads that decode and transform; the samples do not depend on their number."""

    crop_pct: CropShare = 0.875
    """Evaluation resizes the shorter side to ``image_size / crop_pct``, then crops the centre."""
    scale: tuple[Ratio, Ratio] | None = (0.08, 1.0)
    """Area share of the random resized crop; null resizes the shorter side and crops a square."""
    ratio: tuple[Positive, Positive] = (3 / 4, 4 / 3)
    """Width to height of the random resized crop."""
    pad_crop: NonNegativeInt = 0
    """Zero padding in pixels before the random crop (CIFAR: 4); needs ``scale`` null."""
    hflip: Probability = 0.5
    """Probability of a horizontal flip."""
    color_jitter: Probability = 0.0
    """Largest relative change of brightness, contrast and saturation."""
    rand_augment: Magnitude | None = None
    """Mean magnitude of RandAugment, 0 to 10; null leaves it out. It takes the place of jitter."""
    rand_augment_std: NonNegative = 0.5
    """Standard deviation of the magnitude, drawn for every operation."""
    rand_augment_layers: PositiveInt = 2
    """Operations drawn for each image; each is applied with probability 1/2."""
    random_erasing: Probability = 0.0
    """Probability that a rectangle of the normalised image is replaced by noise."""

    mixup: NonNegative = 0.0
    """Parameter of mixup's beta distribution; 0 for no mixup."""
    cutmix: NonNegative = 0.0
    """Parameter of CutMix's beta distribution; 0 for no CutMix."""
    mix_prob: Probability = 1.0
    """Probability that a batch is mixed."""
    mix_switch_prob: Probability = 0.5
    """Probability of CutMix where both are on."""

    on_corrupt: Literal["refuse", "skip", "unchecked"] = "refuse"
    """Images that cannot be decoded: an error, left out, or not looked for before training."""
    max_image_pixels: Annotated[int, Range(low=1, high=178_956_970)] = 178_956_970
    """Larger images count as corrupt (decompression bombs); the most allowed is Pillow's limit."""

    def validate(self) -> None:
        """Check what involves several fields."""
        for name in ("mean", "std"):
            values = getattr(self, name)
            check(
                len(values) == self.channels,
                f"data.{name} must have one value per channel (data.channels={self.channels}), "
                f"got {list(values)}.",
            )
        for name in ("scale", "ratio"):
            pair = getattr(self, name)
            check(
                pair is None or pair[0] <= pair[1],
                f"data.{name} must be [low, high] with low <= high, got {pair}.",
            )
        check(
            not (self.pad_crop and self.scale),
            f"data.pad_crop={self.pad_crop} and data.scale={self.scale} are two ways to crop; "
            "set data.pad_crop=0 or data.scale=null.",
        )
        check(
            not (self.rand_augment is not None and self.color_jitter),
            f"data.rand_augment={self.rand_augment} already changes colours; set "
            f"data.color_jitter=0, got {self.color_jitter}.",
        )
        check(
            not self.mixes or self.batch_size > 1,
            f"data.mixup={self.mixup} and data.cutmix={self.cutmix} mix the samples of a batch; "
            f"data.batch_size={self.batch_size} holds none to mix with.",
        )

    @property
    def mixes(self) -> bool:
        """Whether training batches are mixed, and hence carry soft labels."""
        return self.mix_prob > 0 and (self.mixup > 0 or self.cutmix > 0)


@dataclass(frozen=True)
class LossConfig(Section, prefix="loss"):
    """Training loss."""

    label_smoothing: Decay = 0.0
    """Share of the target spread evenly over all classes."""


@dataclass(frozen=True)
class OptimConfig(Section, prefix="optim"):
    """Optimizer and gradient clipping."""

    name: Literal["sgd", "adamw"] = "adamw"
    """``sgd`` with momentum, or ``adamw`` (decoupled decay, bias-corrected)."""
    lr: Positive = 1e-3
    """Learning rate at the end of the warm-up."""
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


@dataclass(frozen=True)
class ScheduleConfig(Section, prefix="schedule"):
    """Learning rate over time."""

    name: Literal["cosine", "step", "constant"] = "cosine"
    """Course of the learning rate after the warm-up."""
    warmup_epochs: NonNegative = 0.0
    """Length of the linear warm-up; fractions of an epoch are fine."""
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
    task: Literal["classification"] = "classification"
    """What is learned."""
    runtime: RuntimeConfig = field(default_factory=RuntimeConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
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
            not (self.runtime.mode == "pynative" and self.runtime.jit_level),
            f"runtime.jit_level={self.runtime.jit_level} needs runtime.mode=graph.",
        )

    def to_yaml(self) -> str:
        """Return YAML that :func:`load_config` reads back to an equal ``Config``."""
        return dump_yaml(self.to_dict())
