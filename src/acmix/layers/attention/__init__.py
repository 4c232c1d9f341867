"""Attention modes of ACmix, plug-ins registered by name.

A mode is a Cell with ``construct(q, k, v) -> out``. It says by its class attribute ``layout``
whether q, k, v and out are maps (B, C, H, W), ``"NCHW"``, or tokens (B, H, W, C), ``"NHWC"``. Its
constructor takes ``dim`` (channels of v and out), ``num_heads`` and what else it needs.
:class:`acmix.ACmix` passes ``in_channels``, ``qk_channels``, ``stride`` and ``dilation`` only to
modes whose constructor names them.

A mode may also have

* ``reduction``, an int above 1, with ``context(x)``, a map whose sides are smaller by that factor,
  from which k and v are projected instead of x, and ``context_size(height, width)``, its size;
* a fourth argument of ``construct``, the (q, k, v) of tokens without a place in the map, each
  (B, 1, E, C); it then returns the pair of both outputs;
* ``active_shift(height, width)``, by how much it rolls the map;
* ``softmax_over_keys``, True if the weights of a pixel are a softmax of its products with the keys;
  ``scale``, by which it multiplies q; ``proj``, its last linear layer: for the inference form,
  which composes weights across them, see :mod:`acmix.layers.acmix_inference`;
* ``macs(q_shape, k_shape, v_shape)``: multiply-adds of what it computes outside of child Cells.

Adding a mode: one file here with a class under ``@register_attention("name")``, one import below.
"""

from __future__ import annotations

import inspect
from typing import Any

from mindspore import nn

from acmix.errors import UserError, check, suggest

ATTENTION: dict[str, type[nn.Cell]] = {}


def register_attention(name: str):
    """Register a Cell class as the attention mode ``name``; a name taken is an error."""

    def register(cls: type[nn.Cell]) -> type[nn.Cell]:
        check(name not in ATTENTION, f"attention mode '{name}' is already registered.")
        ATTENTION[name] = cls
        return cls

    return register


def attention_class(name: str) -> type[nn.Cell]:
    """Return the class of the mode ``name``; raise UserError with near names if unknown."""
    if name not in ATTENTION:
        raise UserError(f"attention='{name}' is not a known mode.{suggest(name, ATTENTION)}")
    return ATTENTION[name]


def build_attention(
    name: str,
    *,
    dim: int,
    in_channels: int | None = None,
    qk_channels: int | None = None,
    stride: int = 1,
    dilation: int = 1,
    **arguments: Any,
) -> nn.Cell:
    """Construct the mode ``name``.

    Raises:
        UserError: unknown mode or argument, or a value the mode has no argument for.
    """
    cls = attention_class(name)
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
                f"attention='{name}' has no {argument}: it must be {usual}, got {value}.",
            )
    for argument in arguments:
        check(
            argument in known,
            f"attention='{name}' takes no argument '{argument}'."
            f"{suggest(argument, set(known) - {'self'})}",
        )
    return cls(**arguments)


from acmix.layers.attention import (  # noqa: E402, F401  (they register themselves)
    global_,
    local,
    patchwise,
    relative,
    window,
)
