"""Models by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from acmix.errors import check, suggest
from acmix.models.backbone import Backbone
from acmix.utils.registry import Registry


@dataclass(frozen=True)
class ModelEntry:
    """A class and the arguments that make it the named model."""

    cls: type[Backbone]
    arguments: Mapping[str, Any]


MODELS: Registry[ModelEntry] = Registry("model")

list_models = MODELS.names
"""Return the names that match a shell pattern, sorted: ``list_models("acmix_*")``."""


def register_models(cls: type[Backbone], variants: Mapping[str, Mapping[str, Any]]) -> None:
    """Register the named variants of one class.

    Args:
        cls: the model family.
        variants: for each model name the constructor arguments that differ from the defaults.

    Raises:
        UserError: a name is taken.
    """
    for name, arguments in variants.items():
        MODELS.add(name, ModelEntry(cls, dict(arguments)))


def model_entry(name: str) -> ModelEntry:
    """Return the registration of ``name``; raise UserError with near names if unknown."""
    return MODELS[name]


def create_model(name: str, **arguments: Any) -> Backbone:
    """Make a model by name.

    Args:
        name: one of :func:`list_models`.
        **arguments: what to change: ``num_classes`` (0 for none), ``in_channels``,
            ``drop_path_rate``, ``features_only`` (return the maps of the stages ``out_indices``
            instead of logits), ``out_indices``, and the family's own (``depths``, ``window_size``,
            ...). Families with ACmix operators also take the fields of
            :class:`acmix.layers.acmix_options.ACmixOptions` (``combine``, ...). A value of None
            means the default.

    Raises:
        UserError: unknown name or argument, or a value the model cannot take.
    """
    entry = model_entry(name)
    arguments = {key: value for key, value in arguments.items() if value is not None}
    known = entry.cls.argument_names()
    for key in arguments:
        check(key in known, f"model '{name}' takes no argument '{key}'.{suggest(key, known)}")
    return entry.cls(**{**entry.arguments, **arguments})
