"""The paper's table of models with our counts beside the printed ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from mindspore import nn

from acmix.analysis.macs import Trace, trace
from acmix.analysis.paper import PAPER_MODELS, PaperModel
from acmix.models import create_model, list_models
from acmix.utils.table import Style, render_table

_HEADER = [
    "model", "params (M)", "paper", "GMACs", "with bias, norm, ReLU, pooling", "paper",
    "top-1 (paper's)", "note",
]  # fmt: skip


def paper_traces(
    size: tuple[int, int] = (224, 224), create: Callable[[str], nn.Cell] = create_model
) -> list[tuple[PaperModel, Trace]]:
    """Count every model of the paper that is registered, in the paper's order."""
    known = set(list_models())
    return [
        (model, trace(create(model.name), (1, 3, *size)))
        for model in PAPER_MODELS
        if model.name in known
    ]


def render_paper_table(counted: Sequence[tuple[PaperModel, Trace]], style: Style = "text") -> str:
    """The table, and below it why ours differ; printed numbers that ours round to need no note.

    FLOPs fit if they do in either way of counting: the paper counts its models in different ways.
    """
    reasons: list[str] = []
    rows = []
    for model, ours in counted:
        note = ""
        if not _fits(model, ours):
            reason = model.reason or "unexplained"
            if reason not in reasons:
                reasons.append(reason)
            note = f"[{reasons.index(reason) + 1}]"
        rows.append(
            [f"{model.label}, {model.name}", f"{ours.params / 1e6:.2f}", model.params,
             f"{ours.macs / 1e9:.3f}", f"{ours.san_macs / 1e9:.3f}", model.flops, model.top1,
             note]
        )  # fmt: skip
    notes = [f"[{number}] {reason}." for number, reason in enumerate(reasons, start=1)]
    separator = "\n\n" if style == "markdown" else "\n"
    return "\n\n".join([render_table(_HEADER, rows, style), separator.join(notes)]).rstrip()


def _fits(model: PaperModel, ours: Trace) -> bool:
    flops = (_rounds_to(count / 1e9, model.flops) for count in (ours.macs, ours.san_macs))
    return _rounds_to(ours.params / 1e6, model.params) and any(flops)


def _rounds_to(value: float, printed: str) -> bool:
    return f"{value:.{len(printed.partition('.')[2])}f}" == printed
