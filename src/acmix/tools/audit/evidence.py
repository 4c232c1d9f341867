"""What the wheel of MindSpore 2.8.0 says of an operator. The lists' headers say where it stands."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from importlib import resources

VERSION = "2.8.0"
"""The MindSpore the lists are of."""


@dataclass(frozen=True)
class Evidence:
    """What is known of one operator.

    Attributes:
        operator: its name.
        platforms: those its docstring lists; empty without such a section.
        place: where the docstring is: the operator's name, or a function that only calls it.
        aclnn: has an aclnn kernel in graph mode.
        ge: has an adapter to CANN's graph engine.
        aicpu: is registered for AICPU.
        passes: backend passes that rewrite it.
        models: of mindcv, published as trained on Ascend, whose training graphs hold it.
    """

    operator: str
    platforms: tuple[str, ...] = ()
    place: str = ""
    aclnn: bool = False
    ge: bool = False
    aicpu: bool = False
    passes: tuple[str, ...] = ()
    models: tuple[str, ...] = ()

    @property
    def documented(self) -> bool:
        """Whether a docstring lists Ascend."""
        return "Ascend" in self.platforms


def evidence_of(operator: str) -> Evidence:
    """Look an operator up in all lists."""
    platforms, place = entries("documented").get(operator, ("", ""))
    (models,) = entries("mindcv").get(operator, ("",))
    rewriting = (f"{operator}UnifyMindIR", f"{operator}Fission")
    return Evidence(
        operator,
        tuple(platforms.split()),
        place,
        aclnn=operator in entries("aclnn_kernels"),
        ge=operator in entries("ge_adapters"),
        aicpu=operator in entries("aicpu"),
        passes=tuple(name for name in rewriting if name in entries("backend_passes")),
        models=tuple(models.split()),
    )


@functools.cache
def entries(name: str) -> dict[str, tuple[str, ...]]:
    """Return the list ``lists/<name>.txt``: what stands behind each operator, by operator."""
    text = (resources.files("acmix.tools.audit") / "lists" / f"{name}.txt").read_text(
        encoding="utf-8"
    )
    rows = (line.split("\t") for line in text.splitlines() if not line.startswith("#"))
    return {operator: tuple(rest) for operator, *rest in rows}
