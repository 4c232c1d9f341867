"""Facts about the measured machine, as data and as a phrase."""

from __future__ import annotations

from collections.abc import Mapping

import mindspore as ms

from acmix.environment import describe
from acmix.utils.target import current_target

Facts = Mapping[str, str | int | None]


def machine_facts() -> dict[str, str | int | None]:
    """Return ``acmix.environment.describe()`` and the device in use."""
    target = current_target().name
    facts = describe() | {"device": target}
    if target != "CPU":
        facts["device_name"] = ms.hal.get_device_name(0, target)
    return facts


def machine_phrase(facts: Facts) -> str:
    """Return device, processor, cores and version of MindSpore as a phrase."""
    device = facts.get("device_name") or facts["device"]
    # A stand-in names itself as the chip does.
    if facts.get("stand_in") and facts["device"] == "Ascend":
        device = f"stand-in for {facts['stand_in']}"
    return f"{device} ({facts['cpu']}, {facts['cores']} cores), MindSpore {facts['mindspore']}"
