"""What is measured of a network, and in which form."""

from __future__ import annotations

from dataclasses import dataclass

from acmix.tools.bench.choices import BENCH_BACKENDS


@dataclass(frozen=True)
class Setting:
    """How networks were measured; what is not the default is named below the table.

    Attributes:
        backend: One of :data:`acmix.tools.bench.choices.BENCH_BACKENDS`.
        training: One step of training, that is forward, backward and update, not inference.
        fused: The inference form of ``acmix.export.fuse``.
        transfer: Copies of the images to the device and of the outputs back are measured too.
        raw: Detectors end with the predictions of all anchors, before post-processing.
        graph_kernel: Operators are fused by MindSpore's graph kernel compiler.
        jit_level: MindSpore's graph compiler level; empty is its default.
        conv_impl: Formulation of the convolution path; empty is the device's.
    """

    backend: str = "mindspore"
    training: bool = False
    fused: bool = False
    transfer: bool = False
    raw: bool = False
    graph_kernel: bool = False
    jit_level: str = ""
    conv_impl: str = ""

    def phrases(self) -> list[str]:
        """What is not the default, in words."""
        named = (
            (self.training, "training steps"),
            (self.fused, "fused for inference"),
            (self.backend != "mindspore", BENCH_BACKENDS.get(self.backend, self.backend)),
            (self.transfer, "with the copies to and from the device"),
            (self.raw, "without post-processing"),
            (self.graph_kernel, "graph kernel on"),
            (self.jit_level, f"jit level {self.jit_level}"),
            (self.conv_impl, f"convolution path {self.conv_impl}"),
        )
        return [phrase for applies, phrase in named if applies]
