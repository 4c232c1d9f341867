"""Cells that stay in float32 under mixed precision while their children do not."""

from __future__ import annotations

from mindspore import nn

FULL = {"fp16": False, "bf16": False, "fp32": True}


class FullPrecision(nn.Cell):
    """A Cell whose own arguments and arithmetic stay float32 when ``to_float`` is applied.

    ``to_float`` and :func:`acmix.engine.precision.apply_mixed_precision` cast all floating-point
    arguments of every Cell, and a box in float16 is known to one pixel at 1500. The Cells below
    this one compute in half precision as usual. Its caller must be such a Cell too: arguments that
    pass through a Cell in half precision lose their digits there.
    """

    def add_flags_recursive(self, **flags: bool) -> nn.Cell:
        """Set the flags below and here, but for a lower precision, which is only set below."""
        super().add_flags_recursive(**flags)
        if flags.get("fp16") or flags.get("bf16"):
            self.add_flags(**FULL)
        return self
