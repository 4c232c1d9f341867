"""Networks of a kind by name: every head on every backbone, ``retinanet_acmix_pvt_tiny``."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from acmix.errors import check, suggest
from acmix.models.arguments import check_types, explaining
from acmix.models.backbone import Backbone
from acmix.models.registry import HEADS, create_model, split_name
from acmix.utils.registry import load_object


def create_with_head(
    kind: str,
    name: str,
    arguments: Mapping[str, Any],
    backbone: Mapping[str, Any] | None = None,
    prepare: Callable[[Backbone], None] = lambda body: None,
) -> Any:
    """Make the backbone with feature maps and the head that a name joins.

    Args:
        kind: of :func:`acmix.models.registry.register_head`. The class of a head has
            ``out_indices``, the stages that it looks at.
        name: ``{head}_{model}``.
        arguments: the head's own. A value of None means the default.
        backbone: arguments of :func:`acmix.models.create_model`; ``out_indices`` are the head's
            unless given.
        prepare: is called with the backbone before the head is made.

    Raises:
        UserError: unknown name or argument, or a value the network cannot take.
    """
    noun = kind.removesuffix("s")
    head, model = split_name(kind, name)
    cls = load_object(HEADS[kind][head])
    arguments = {key: value for key, value in arguments.items() if value is not None}
    known = set(inspect.signature(cls.__init__).parameters) - {"self", "backbone"}
    for key in arguments:
        check(key in known, f"{noun} '{name}' takes no argument '{key}'.{suggest(key, known)}")
    chosen = {"out_indices": cls.out_indices, **(backbone or {})}
    for key in ("features_only", "num_classes"):
        check(key not in chosen, f"backbone: '{key}' is the {noun}'s to set; leave it out.")
    body = create_model(model, features_only=True, **chosen)
    prepare(body)
    what = f"{noun} '{name}'"
    check_types(what, cls, arguments)
    with explaining(what, arguments):
        return cls(body, **arguments)
