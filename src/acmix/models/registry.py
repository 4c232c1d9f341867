"""Models by name: what exists, and how one is made."""

from __future__ import annotations

import fnmatch
import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from acmix.errors import UserError, check, suggest
from acmix.models.backbone import Backbone


@dataclass(frozen=True)
class ModelEntry:
    """A class and the arguments that make it the named model."""

    cls: type[Backbone]
    arguments: Mapping[str, Any]


_MODELS: dict[str, ModelEntry] = {}


def register_models(cls: type[Backbone], variants: Mapping[str, Mapping[str, Any]]) -> None:
    """Register the named variants of one class.

    Args:
        cls: the model family.
        variants: for each model name the constructor arguments that differ from the defaults.

    Raises:
        UserError: a name is taken.
    """
    for name, arguments in variants.items():
        check(name not in _MODELS, f"model '{name}' is already registered.")
        _MODELS[name] = ModelEntry(cls, dict(arguments))


def list_models(pattern: str = "*") -> list[str]:
    """Return the names that match a shell pattern, sorted: ``list_models("acmix_*")``."""
    return sorted(fnmatch.filter(_MODELS, pattern))


def model_entry(name: str) -> ModelEntry:
    """Return the registration of ``name``; raise UserError with near names if unknown."""
    if name not in _MODELS:
        raise UserError(f"model '{name}' is unknown.{suggest(name, _MODELS)}")
    return _MODELS[name]


def create_model(name: str, **arguments: Any) -> Backbone:
    """Make a model by name.

    Args:
        name: one of :func:`list_models`.
        **arguments: what to change: ``num_classes`` (0 for none), ``in_channels``,
            ``drop_path_rate``, ``features_only`` (return the maps of the stages ``out_indices``
            instead of logits), ``out_indices``, and the family's own (``depths``, ``window_size``,
            ...). A value of None means the default, so that a caller can pass on what it was given.

    Raises:
        UserError: unknown name or argument, or a value the model cannot take.
    """
    entry = model_entry(name)
    arguments = {key: value for key, value in arguments.items() if value is not None}
    known = set(inspect.signature(entry.cls.__init__).parameters) - {"self"}
    for key in arguments:
        check(key in known, f"model '{name}' takes no argument '{key}'.{suggest(key, known)}")
    return entry.cls(**{**entry.arguments, **arguments})
