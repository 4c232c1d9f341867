"""Verdicts on operators, from evidence."""

from __future__ import annotations

from enum import Enum

from acmix.tools.audit.evidence import VERSION, Evidence
from acmix.utils.mindir import CALL


class Verdict(str, Enum):
    """Level of support on Ascend, by MindSpore's registries."""

    PASS = "PASS"
    """Documented for Ascend and has a kernel."""
    LIKELY = "PASS*"
    """Has a kernel, but no documented platforms."""
    NOTE = "note"
    """Supported; for information."""
    REVIEW = "REVIEW"
    """Weak evidence, or supported but possibly slow; needs a review."""
    FAIL = "FAIL"
    """Documented as not for Ascend, or unknown to all lists."""

    @property
    def severity(self) -> int:
        """Return the severity, from 0 (PASS)."""
        return list(Verdict).index(self)


STRUCTURE = {
    *("MakeTuple", "TupleGetItem", "MakeList", "ListGetItem", "Return", "Depend", "Load"),
    *("UpdateState", "Partial", "Switch", "SwitchLayer", "StopGradient", CALL),
}
"""Operators that the graph executor implements itself."""


def judge(evidence: Evidence) -> tuple[Verdict, str]:
    """Return the verdict on an operator, and the reason.

    Registration is necessary but not sufficient: of 126 operators documented for other platforms
    only, 91 have an adapter or a kernel. Documentation therefore takes precedence.
    """
    if evidence.operator in STRUCTURE:
        return Verdict.PASS, "structure of the graph, needs no kernel"
    if evidence.platforms and not evidence.documented:
        return Verdict.FAIL, f"documented for {', '.join(evidence.platforms)} only"
    if evidence.documented and (evidence.dispatched or evidence.ge):
        return Verdict.PASS, f"documented ({evidence.place}), {_kernel(evidence)}"
    if evidence.dispatched:
        return Verdict.LIKELY, f"no platforms documented, {_kernel(evidence)}"
    if evidence.ge and evidence.models:
        return Verdict.LIKELY, f"GE adapter, in mindcv's {evidence.models[0]} trained on Ascend"
    if evidence.ge and evidence.becomes:
        return Verdict.LIKELY, "GE adapter, and the back end takes it as it is"
    if evidence.documented and evidence.becomes:
        made = " ".join(evidence.becomes)
        return Verdict.REVIEW, f"documented, no kernel; the back end makes it {made}{_of(evidence)}"
    if evidence.documented and evidence.passes:
        return Verdict.REVIEW, f"documented, no kernel, rewritten by {evidence.passes[0]}"
    if evidence.documented or evidence.passes or evidence.ge or evidence.aicpu:
        return Verdict.REVIEW, f"only {_weak(evidence)}"
    return Verdict.FAIL, f"nothing is registered for it in MindSpore {VERSION}"


def _of(evidence: Evidence) -> str:
    return f", {evidence.remark}" if evidence.remark else ""


def _kernel(evidence: Evidence) -> str:
    kinds = ("aclnn kernel", evidence.dispatched), ("GE adapter", evidence.ge)
    return " and ".join(kind for kind, found in kinds if found)


def _weak(evidence: Evidence) -> str:
    kinds = (
        ("a docstring", evidence.documented),
        ("a GE adapter", evidence.ge),
        ("an AICPU kernel", evidence.aicpu),
        (f"the pass {' '.join(evidence.passes)}", bool(evidence.passes)),
    )
    return " and ".join(kind for kind, found in kinds if found)
