"""Attention modes of ACmix, plug-ins registered by name.

To add a mode, write one file with an :class:`AttentionMode` under ``@register_attention("name")``
and add one import below. The contract is in :mod:`acmix.layers.attention.base`.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from typing import Any

from acmix.errors import check, suggest
from acmix.layers.acmix_options import ACmixOptions
from acmix.layers.attention import (
    gated_positional,
    global_,
    local,
    patchwise,
    relative,
    standalone,
    window,
)
from acmix.layers.attention.base import ATTENTION, AttentionMode, register_attention

__all__ = [
    "ATTENTION",
    "AttentionMode",
    "attention_class",
    "build_attention",
    "gated_positional",
    "global_",
    "local",
    "patchwise",
    "register_attention",
    "relative",
    "standalone",
    "window",
]


def attention_class(
    mode: str | type[AttentionMode], arguments: Iterable[str] = ()
) -> type[AttentionMode]:
    """Return the class of a mode, given by its name or its class.

    Raises:
        UserError: unknown mode, or one without one of the ``arguments``; suggests near names.
    """
    cls = ATTENTION[mode] if isinstance(mode, str) else mode
    known = set(inspect.signature(cls.__init__).parameters) - {"self"}
    for argument in arguments:
        check(
            argument in known,
            f"attention='{_name(mode)}' takes no argument '{argument}'."
            f"{suggest(argument, known | ACmixOptions.names())}",
        )
    return cls


def build_attention(
    mode: str | type[AttentionMode],
    *,
    dim: int,
    in_channels: int | None = None,
    qk_channels: int | None = None,
    stride: int = 1,
    dilation: int = 1,
    **arguments: Any,
) -> AttentionMode:
    """Construct a mode, given by its name or its class.

    Raises:
        UserError: unknown mode or argument, or a value the mode has no argument for.
    """
    cls = attention_class(mode, arguments)
    known = inspect.signature(cls.__init__).parameters
    arguments["dim"] = dim
    if "in_channels" in known:
        arguments["in_channels"] = in_channels or dim
    for argument, value, usual in (
        ("qk_channels", qk_channels or dim, dim),
        ("stride", stride, 1),
        ("dilation", dilation, 1),
    ):
        if argument in known:
            arguments[argument] = value
        else:
            check(
                value == usual,
                f"attention='{_name(mode)}' has no {argument}: it must be {usual}, got {value}.",
            )
    return cls(**arguments)


def _name(mode: str | type[AttentionMode]) -> str:
    return mode if isinstance(mode, str) else mode.__name__
