"""Register the models of acmix in mindcv on import: ``mindcv.create_model("acmix_swin_tiny")``.

Existing names of mindcv (``resnet50``, ``swin_tiny``) are not replaced: an import must not change
the implementation that other code gets.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mindspore import nn

from acmix.errors import check
from acmix.models import create_model, list_models

try:
    from mindcv.models.registry import is_model, register_model
except ImportError as error:
    raise ImportError(
        f"acmix.integrations.mindcv needs mindcv ({error}); install it by 'pip install mindcv'."
    ) from error


def _entry_point(name: str) -> Callable[..., nn.Cell]:
    """Return the function with the name of a model by which mindcv creates it."""

    def create(pretrained: bool = False, **arguments: Any) -> nn.Cell:
        check(
            not pretrained,
            f"pretrained=True: no weights of {name} are published; give checkpoint_path, which "
            "'acmix train' or 'acmix convert' makes.",
        )
        return create_model(name, **arguments)

    create.__name__ = create.__qualname__ = name
    create.__doc__ = f"Make {name}; see :func:`acmix.create_model`."
    return create


REGISTERED = tuple(name for name in list_models() if not is_model(name))
"""Names that this module registers in mindcv."""

for _name in REGISTERED:
    register_model(_entry_point(_name))
