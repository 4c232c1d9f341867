"""Figures of one device of a cluster, published or measured."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import yaml

from acmix.config.typed import NonNegative, Positive, PositiveInt, Section
from acmix.config.yaml_text import MAX_CHARACTERS, parse_yaml
from acmix.errors import UserError, check, suggest
from acmix.utils.reading import read_bytes
from acmix.utils.text import shorten

THIS_MACHINE = "this-machine"
"""Device name that asks for a measurement of the present machine."""


@dataclass(frozen=True)
class Device(Section, prefix="device"):
    """Figures of one device.

    Attributes:
        peak_fp16: FLOP/s in float16 or bfloat16; a multiply-add counts twice.
        peak_fp32: FLOP/s in the precision that float32 networks compute in.
        memory: bytes.
        per_node: devices per node.
        intra_node: bytes/s from a device to another one of its node.
        inter_node: bytes/s from a device to one of another node.
        latency: seconds per hop of an all-reduce.
        source: source of each figure.
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
        """Return the peak in half precision if ``half``, else in float32."""
        return self.peak_fp16 if half else self.peak_fp32


def known_devices() -> dict[str, Device]:
    """Return the devices of ``devices.yaml``, by name."""
    text = resources.files("acmix.tools.plan").joinpath("devices.yaml").read_text(encoding="utf-8")
    return {name: Device.from_dict(figures) for name, figures in parse_yaml(text).items()}


def find_device(name: str) -> Device:
    """Return a known device, or that of a YAML file.

    Raises:
        UserError: the name is unknown, or the file is missing or incomplete.
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
        figures = parse_yaml(read_bytes(path, MAX_CHARACTERS).decode())
    except (UserError, UnicodeDecodeError, yaml.YAMLError) as error:
        reason = shorten(" ".join(str(error).split()), 400)
        raise UserError(f"cannot read the device {path}: {reason}") from None
    try:
        return Device.from_dict(figures)
    except UserError as error:
        raise UserError(f"{path}: {error}") from None
