"""What one device of a cluster can do, as stated by somebody or measured."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import yaml

from acmix.config.typed import NonNegative, Positive, PositiveInt, Section
from acmix.config.yaml_text import parse_yaml
from acmix.errors import UserError, check, suggest

THIS_MACHINE = "this-machine"
"""Name of the device that is measured instead of looked up."""


@dataclass(frozen=True)
class Device(Section, prefix="device"):
    """Figures of one device.

    Attributes:
        peak_fp16: multiply-adds of float16 counted twice, FLOP/s.
        peak_fp32: the same of what float32 networks compute in.
        memory: bytes.
        per_node: devices of one node.
        intra_node: bytes/s that a device sends to another of its node.
        inter_node: bytes/s that a device sends to one of another node.
        latency: seconds of one hop of an exchange.
        source: where each figure is from.
    """

    peak_fp16: Positive
    peak_fp32: Positive
    memory: Positive
    per_node: PositiveInt
    intra_node: Positive
    inter_node: Positive
    latency: NonNegative
    source: dict[str, Any]

    def peak(self, half: bool) -> float:
        """Return the peak of a network that computes in float16, or in float32."""
        return self.peak_fp16 if half else self.peak_fp32


def known_devices() -> dict[str, Device]:
    """Return the devices of ``devices.yaml``, by name."""
    text = resources.files("acmix.tools.plan").joinpath("devices.yaml").read_text(encoding="utf-8")
    return {name: Device.from_dict(figures) for name, figures in parse_yaml(text).items()}


def find_device(name: str) -> Device:
    """Return a known device, or the one described in a YAML file.

    Raises:
        UserError: there is neither, or the file lacks a figure.
    """
    known = known_devices()
    if name in known:
        return known[name]
    path = Path(name)
    check(
        path.suffix in (".yaml", ".yml"),
        f"device '{name}' is unknown; name a YAML file of its figures, or a known one."
        + suggest(name, [*known, THIS_MACHINE]),
    )
    try:
        figures = parse_yaml(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UserError(f"cannot read the device {path}: {' '.join(str(error).split())}.") from None
    try:
        return Device.from_dict(figures)
    except UserError as error:
        raise UserError(f"{path}: {error}") from None
