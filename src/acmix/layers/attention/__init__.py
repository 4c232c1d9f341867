"""Attention modes of ACmix, plug-ins registered by name.

A mode is a Cell with ``construct(q, k, v) -> out``. It says by its class attribute ``layout``
whether q, k, v and out are maps (B, C, H, W), ``"NCHW"``, or tokens (B, H, W, C), ``"NHWC"``. Its
constructor takes ``dim`` (channels of v and out), ``num_heads`` and what else it needs.
:class:`acmix.ACmix` passes ``stride`` and ``dilation`` only to modes whose constructor names them.

A mode may also define

* ``enter(x)`` and ``leave(out, x)``: reframe the map around the whole operator, so that projection
  and convolution path see the reframed map too (shifted windows roll and pad it);
* ``valid(x)``: a (1, 1, H', W') mask of the pixels of the reframed map that belong to the image,
  or None when all do;
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


def build_attention(name: str, *, stride: int = 1, dilation: int = 1, **arguments: Any) -> nn.Cell:
    """Construct the mode ``name``.

    Raises:
        UserError: unknown mode or argument, or a stride or dilation the mode does not have.
    """
    cls = attention_class(name)
    known = inspect.signature(cls.__init__).parameters
    for argument, value in (("stride", stride), ("dilation", dilation)):
        if argument in known:
            arguments[argument] = value
        else:
            check(value == 1, f"attention='{name}' has no {argument}: it must be 1, got {value}.")
    for argument in arguments:
        check(
            argument in known,
            f"attention='{name}' takes no argument '{argument}'."
            f"{suggest(argument, set(known) - {'self'})}",
        )
    return cls(**arguments)


from acmix.layers.attention import local, window  # noqa: E402, F401  (they register themselves)
