"""Evidence about operators in the wheel of MindSpore 2.8.0; the lists' headers name the sources."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from importlib import resources

VERSION = "2.8.0"
"""MindSpore version of the lists."""


@dataclass(frozen=True)
class Evidence:
    """Evidence about one operator.

    Attributes:
        operator: name of the operator.
        platforms: platforms in its docstring; empty without such a section.
        place: place of the docstring: the operator, or a function that calls only it.
        aclnn: whether it has an aclnn kernel in graph mode.
        ge: whether it has an adapter to CANN's graph engine.
        aicpu: whether it is registered for AICPU.
        passes: backend passes that rewrite it.
        models: mindcv models, published as trained on Ascend, with the operator in their
            training graphs.
        undispatched: whether graph mode does not take its aclnn kernel.
        expanded: whether MindSpore's expander replaces it where the graph engine lacks it.
        own_aicpu: whether its adapter makes an operator of MindSpore's own for AICPU.
        becomes: operators that get a kernel in its place, as seen in rehearsals.
        remark: what is to be said of these.
    """

    operator: str
    platforms: tuple[str, ...] = ()
    place: str = ""
    aclnn: bool = False
    ge: bool = False
    aicpu: bool = False
    passes: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    undispatched: bool = False
    expanded: bool = False
    own_aicpu: bool = False
    becomes: tuple[str, ...] = ()
    remark: str = ""

    @property
    def dispatched(self) -> bool:
        """Whether graph mode takes its aclnn kernel."""
        return self.aclnn and not self.undispatched

    @property
    def documented(self) -> bool:
        """Whether the docstring lists Ascend."""
        return "Ascend" in self.platforms


def evidence_of(operator: str) -> Evidence:
    """Look an operator up in all lists."""
    platforms, place = entries("documented").get(operator, ("", ""))
    (models,) = entries("mindcv").get(operator, ("",))
    becomes, remark = entries("rehearsed").get(operator, ("", ""))
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
        undispatched=operator in entries("undispatched"),
        expanded=operator in entries("expander"),
        own_aicpu=operator in entries("own_aicpu"),
        becomes=tuple(becomes.split()),
        remark=remark,
    )


@functools.cache
def entries(name: str) -> dict[str, tuple[str, ...]]:
    """Return ``lists/<name>.txt`` as the further columns by operator."""
    text = (resources.files("acmix.tools.audit") / "lists" / f"{name}.txt").read_text(
        encoding="utf-8"
    )
    rows = (line.split("\t") for line in text.splitlines() if not line.startswith("#"))
    return {operator: tuple(rest) for operator, *rest in rows}
