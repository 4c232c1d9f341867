"""The three ways in which Ascend takes a graph, and what becomes of an operator on each."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum

from acmix.export.formats.air_operators import RESPELLED
from acmix.tools.audit.evidence import Evidence, evidence_of


class Level(str, Enum):
    """A way to the device."""

    O0 = "O0"
    """jit_level O0: an aclnn kernel or an aclop per operator, launched one by one."""
    O2 = "O2"
    """jit_level O2: CANN's graph engine compiles the whole, after MindSpore's expander."""
    AIR = "AIR"
    """The file of that name: the graph engine's, without the expander, for ATC."""


GRAPH_ENGINE = (Level.O2, Level.AIR)
TRAINING = (Level.O0, Level.O2)
"""Levels of a training step, which is not exported."""

# Operators of whose tensors only the shape changes: no kernel at O0, as rehearsals show.
_VIEWS = {"Reshape", "ExpandDims", "Squeeze", "Flatten"}


def kernel_at_o0(known: Evidence) -> str:
    """Return the kind of kernel that the back end chooses: view, aclnn, aclop or AICPU; or empty.

    ``AICPU`` is MindSpore's own operator on the slow AI CPUs. Several kinds are joined by "/".
    """
    if known.becomes and known.becomes != (known.operator,):
        kinds = (kernel_at_o0(evidence_of(name)) for name in known.becomes)
        return "/".join(dict.fromkeys(kinds))
    if known.operator in _VIEWS:
        return "view"
    if known.dispatched:
        return "aclnn"
    if known.own_aicpu:
        return "AICPU"
    return "aclop" if known.ge else ""


def node_of_engine(known: Evidence, level: Level) -> str:
    """Return as what the graph engine gets an operator: GE, AICPU, expanded, respelled; or empty.

    ``GE`` is an operator of CANN, ``AICPU`` as above. ``expanded`` means that MindSpore's expander,
    ``respelled`` that ``acmix export --format air`` makes others of it. Empty: it is refused.
    """
    if known.own_aicpu:
        return "AICPU"
    if known.ge:
        return "GE"
    if level is Level.AIR:
        return "respelled" if known.operator in RESPELLED else ""
    if known.becomes:
        kinds = (node_of_engine(evidence_of(name), level) for name in known.becomes)
        return "/".join(dict.fromkeys(kinds))
    return "expanded" if known.expanded else ""


def written(levels: Sequence[Level]) -> str:
    """Return levels as in a sentence: "O0", "O2 and AIR", "every level"."""
    if set(levels) == set(Level):
        return "every level"
    return " and ".join(level.value for level in levels)
