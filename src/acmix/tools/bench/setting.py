"""The form in which a network is measured. Imports no MindSpore, so the parser can use it."""

from __future__ import annotations

from dataclasses import dataclass

BENCH_BACKENDS = {
    "mindspore": "",
    "mindir": "run by MindSpore from MindIR",
    "onnxruntime": "run by ONNX Runtime",
    "lite": "run by MindSpore Lite",
}
"""Names of the back ends that can run a network, with their phrases below a table."""


@dataclass(frozen=True)
class Setting:
    """Options of a measurement; a report lists those that differ from the default.

    Attributes:
        backend: One of :data:`BENCH_BACKENDS`.
        training: Measure a training step (forward, backward, update) instead of inference.
        fused: Measure the inference form of ``acmix.export.fuse``.
        transfer: Include the copies of images to the device and of outputs back.
        raw: Stop before post-processing: detectors at the predictions of all anchors, segmenters at
            the head's logits.
        graph_kernel: Let MindSpore's graph kernel compiler fuse operators.
        jit_level: Level of MindSpore's graph compiler; empty for its default.
        conv_impl: Formulation of the convolution path; empty for the device's default.
        recompute: Compute blocks again in the backward pass.
    """

    backend: str = "mindspore"
    training: bool = False
    fused: bool = False
    transfer: bool = False
    raw: bool = False
    graph_kernel: bool = False
    jit_level: str = ""
    conv_impl: str = ""
    recompute: bool = False

    def phrases(self) -> list[str]:
        """Return a phrase for each option that differs from the default."""
        named = (
            (self.training, "training steps"),
            (self.fused, "fused for inference"),
            (self.backend != "mindspore", BENCH_BACKENDS.get(self.backend, self.backend)),
            (self.transfer, "with the copies to and from the device"),
            (self.raw, "without post-processing"),
            (self.graph_kernel, "graph kernel on"),
            (self.jit_level, f"jit level {self.jit_level}"),
            (self.recompute, "blocks recomputed"),
            (self.conv_impl, f"convolution path {self.conv_impl}"),
        )
        return [phrase for applies, phrase in named if applies]
