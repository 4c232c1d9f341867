"""Models by name, and heads on them; listing names imports no class and no MindSpore."""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from acmix.errors import UserError, check, suggest
from acmix.models.arguments import check_types, explaining
from acmix.utils.registry import Registry, load_object

if TYPE_CHECKING:
    from acmix.models.backbone import Backbone


@dataclass(frozen=True)
class ModelEntry:
    """A class, as ``"package.module:Class"``, and the arguments that make it the named model."""

    path: str
    arguments: Mapping[str, Any]

    @property
    def cls(self) -> type[Backbone]:
        """Import the class."""
        return load_object(self.path)


MODELS: Registry[ModelEntry] = Registry("model")

PLAIN = "models"
"""The kind of networks that have no head."""

HEADS: dict[str, Registry[str]] = {}
"""``"package.module:Class"`` by kind of network (``detectors``) and name of the head."""


def register_models(path: str, variants: Mapping[str, Mapping[str, Any]]) -> None:
    """Register the named variants of one class.

    Args:
        path: the model family, ``"package.module:Class"``.
        variants: for each model name the constructor arguments that differ from the defaults.

    Raises:
        UserError: a name is taken.
    """
    for name, arguments in variants.items():
        MODELS.add(name, ModelEntry(path, dict(arguments)))


def register_head(kind: str, name: str, path: str) -> None:
    """Register a class that makes networks of a kind out of every model.

    Args:
        kind: what a task calls its networks: ``detectors``.
        name: of the head; its networks are called ``{name}_{model}``.
        path: ``"package.module:Class"``.

    Raises:
        UserError: the name is taken.
    """
    HEADS.setdefault(kind, Registry(kind.removesuffix("s"))).add(name, path)


def list_models(pattern: str = "*") -> list[str]:
    """Return the names that match a shell pattern, sorted: ``list_models("acmix_*")``."""
    return MODELS.names(pattern)


def list_networks(kind: str, pattern: str = "*") -> list[str]:
    """Return the names of models, or of the networks of a kind of heads, sorted.

    Args:
        kind: ``models``, or a kind of :func:`register_head`; one without heads has no networks.
        pattern: shell pattern.
    """
    if kind == PLAIN:
        return list_models(pattern)
    names = [f"{head}_{model}" for head in HEADS.get(kind, ()) for model in MODELS]
    return sorted(fnmatch.filter(names, pattern))


def split_name(kind: str, name: str) -> tuple[str, str]:
    """Return head and model of a network: ``("retinanet", "pvt_tiny")``.

    Raises:
        UserError: no network of the kind has this name; suggests near ones.
    """
    for head in HEADS.get(kind, ()):
        model = name.removeprefix(f"{head}_")
        if model != name and model in MODELS:
            return head, model
    known = list_networks(kind)
    raise UserError(f"{kind.removesuffix('s')} '{name}' is unknown.{suggest(name, known)}")


def network_classes(kind: str, name: str) -> tuple[type, ...]:
    """Return the class of a network; of one with a head, the classes of head and model.

    Args:
        kind: as for :func:`list_networks`.
        name: of the network.

    Raises:
        UserError: no network of the kind has this name; suggests near ones.
    """
    if kind == PLAIN:
        return (model_entry(name).cls,)
    head, model = split_name(kind, name)
    return load_object(HEADS[kind][head]), model_entry(model).cls


def model_entry(name: str) -> ModelEntry:
    """Return the registration of ``name``; raise UserError with near names if unknown."""
    return MODELS[name]


def create_model(
    name: str,
    *,
    num_classes: int | None = None,
    in_channels: int | None = None,
    drop_path_rate: float | None = None,
    features_only: bool | None = None,
    out_indices: Sequence[int] | None = None,
    **arguments: Any,
) -> Backbone:
    """Make a model by name, with random weights.

    None means the model's default: 1000 classes, 3 channels, no stochastic depth, logits.

    Args:
        name: one of :func:`list_models`.
        num_classes: K, outputs of the classifier; 0 for none, which leaves pooled features.
        in_channels: C_in, channels of the images: 1 for grey, 3 for RGB.
        drop_path_rate: probability with which training drops the branch of the last block for a
            sample; earlier blocks have less.
        features_only: return the maps of the stages ``out_indices`` instead of logits.
        out_indices: numbers of stages from 0, or from the end from -1; all of them by default.
        **arguments: the family's own (``depths``, ``window_size``, ...). Families with ACmix
            operators also take the fields of :class:`acmix.layers.acmix_options.ACmixOptions`
            (``combine``, ``conv_kernel_size``, ...).

    Shape:
        Images (B, C_in, H, W); logits (B, K), or a tuple of maps (B, C, H', W').

    Raises:
        UserError: unknown name or argument, or a value the model cannot take.
    """
    common = {
        "num_classes": num_classes,
        "in_channels": in_channels,
        "drop_path_rate": drop_path_rate,
        "features_only": features_only,
        "out_indices": out_indices,
    }
    arguments = {key: value for key, value in (common | arguments).items() if value is not None}
    entry = model_entry(name)
    known = entry.cls.argument_names()
    for key in arguments:
        check(key in known, f"model '{name}' takes no argument '{key}'.{suggest(key, known)}")
    what = f"model '{name}'"
    check_types(what, entry.cls, arguments)
    if entry.cls.default_options is not None:
        check_types(what, type(entry.cls.default_options), arguments)
    with explaining(what, arguments):
        return entry.cls(**{**entry.arguments, **arguments})
