"""`Config`: the complete configuration of a run, with one subclass per task."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, TypeVar, get_args

from acmix.config.data import DataConfig
from acmix.config.sections import (
    ModelConfig,
    OptimConfig,
    RuntimeConfig,
    ScheduleConfig,
    TrainConfig,
)
from acmix.config.typed import Range, Section, annotations_of, check_tree, is_section
from acmix.config.yaml_text import dump_yaml
from acmix.errors import UserError, check, suggest
from acmix.utils.text import shorten


@dataclass(frozen=True)
class Config(Section):
    """Complete configuration of a run; tasks register a subclass by :func:`register_task_config`.

    Attributes:
        is_default: whether this class applies when the key ``task`` is absent.
        networks: plural noun for the task's networks; ``acmix list --<networks>`` lists them.
        eval_files: files that ``acmix eval`` can write for the task: help text by option.

    Raises:
        UserError: a wrong type or an invalid value; names the dotted key, the value and the
            allowed values.
    """

    fixed_on_resume: ClassVar[frozenset[str]] = frozenset({"task", "seed"})
    free_on_resume: ClassVar[frozenset[str]] = frozenset({"output", "profile"})

    is_default: ClassVar[bool] = False
    networks: ClassVar[str]
    eval_files: ClassVar[Mapping[str, str]] = {}

    seed: Annotated[int, Range(low=0, high=2**32 - 1)] = 0
    """Random seed for initial weights, data order, augmentation and dropout."""
    output: str = "runs/acmix"
    """Run folder; a configuration file defaults to ``runs/<file name without suffix>``."""
    profile: bool = False
    """Measure the parts of a training step first; training then continues at full speed."""
    task: str = ""
    """Task to train: ``classification``, ``detection`` or ``segmentation``."""
    runtime: RuntimeConfig = field(default_factory=RuntimeConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    data: DataConfig = field(default_factory=DataConfig)
    optim: OptimConfig = field(default_factory=OptimConfig)
    schedule: ScheduleConfig = field(default_factory=ScheduleConfig)
    train: TrainConfig = field(default_factory=TrainConfig)

    def validate(self) -> None:
        """Check rules that involve several sections."""
        check(bool(self.output.strip()), "output is empty; name a folder for the run.")
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
        check(
            not (self.runtime.mode == "pynative" and self.train.recompute),
            "train.recompute=true needs runtime.mode=graph: in PyNative mode MindSpore would run "
            "each block twice as a whole, with other random numbers for what is dropped, and every "
            "BatchNorm would count the batch twice.",
        )

    @classmethod
    def from_dict(cls, tree: Any) -> Any:
        """Create the configuration class of the tree's task; see :meth:`Section.from_dict`."""
        if cls is not Config or not isinstance(tree, Mapping):
            return super().from_dict(tree)
        task_class = config_class(tree)
        check_keys(task_class, tree)
        return task_class.from_dict(tree)

    @property
    def network_name(self) -> str:
        """Name of the trained network; a task with a separate head adds the head's name."""
        return self.model.name

    def to_yaml(self) -> str:
        """Return YAML that :func:`load_config` reads back to an equal ``Config``."""
        return dump_yaml(self.to_dict())


TASK_CONFIGS: dict[str, type[Config]] = {}
"""Configuration classes by task name."""

C = TypeVar("C", bound=type[Config])


def register_task_config(cls: C) -> C:
    """Register a class under the value of its field ``task``; a duplicate name is an error."""
    (task,) = get_args(annotations_of(cls)["task"])
    check(task not in TASK_CONFIGS, f"task '{task}' is already registered.")
    TASK_CONFIGS[task] = cls
    return cls


def config_class(tree: Mapping[str, Any]) -> type[Config]:
    """Return the configuration class for the task of a configuration tree.

    Raises:
        UserError: the task is unknown, or the data set belongs to another task.
    """
    default = next(name for name, cls in TASK_CONFIGS.items() if cls.is_default)
    task = tree.get("task", default)
    if not isinstance(task, str) or task not in TASK_CONFIGS:
        known = ", ".join(map(repr, TASK_CONFIGS))
        raise UserError(
            f"task must be one of {known}, got {shorten(repr(task))}."
            f"{suggest(shorten(str(task)), TASK_CONFIGS)}"
        )
    data = tree.get("data")
    if isinstance(data, Mapping):
        _check_data_set(task, data.get("name"))
    return TASK_CONFIGS[task]


def check_keys(cls: type[Config], tree: Mapping[Any, Any]) -> None:
    """Check a partial configuration tree of a task; missing keys are allowed.

    Raises:
        UserError: a key of another task, an unknown key, a wrong type or a value out of range.
    """
    for key in _unknown_keys(cls, tree):
        owners = [task for task, other in TASK_CONFIGS.items() if _has_key(other, key.split("."))]
        check(
            not owners,
            f"{key} needs task={' or '.join(owners)}; leave it out or set the task.",
        )
    check_tree(cls, tree)


def _check_data_set(task: str, name: Any) -> None:
    for other in TASK_CONFIGS:
        check(
            other == task or name not in data_names(other),
            f"task={task} cannot be learned from data.name={name}, which is for {other}; set "
            f"task={other} or another data.name.",
        )


def data_names(task: str) -> tuple[str, ...]:
    """Return the names of the data sets of a task."""
    section = annotations_of(TASK_CONFIGS[task])["data"]
    return get_args(annotations_of(section)["name"])


def _unknown_keys(section: type[Section], tree: Mapping[Any, Any]) -> Iterator[str]:
    """Yield the dotted keys of ``tree`` that ``section`` does not have."""
    annotations = annotations_of(section)
    for name, value in tree.items():
        inner = annotations.get(name)
        if inner is None:
            yield f"{section.prefix}{name}"
        elif is_section(inner) and isinstance(value, Mapping):
            yield from _unknown_keys(inner, value)


def _has_key(section: Any, parts: list[str]) -> bool:
    inner = annotations_of(section).get(parts[0])
    return inner is not None and (len(parts) == 1 or _has_key(inner, parts[1:]))
