"""The paper's table of models with our counts beside the printed ones."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

from mindspore import nn

from acmix.analysis.macs import Trace, trace
from acmix.analysis.paper import PAPER_DETECTORS, PAPER_MODELS, PaperModel
from acmix.errors import UserError
from acmix.models import create_model, list_models
from acmix.models.detection import create_detector
from acmix.utils.table import Style, render_table

_HEADER = [
    "model", "params (M)", "paper", "GMACs", "with bias, norm, ReLU, pooling", "paper",
    "top-1 (paper's)", "note",
]  # fmt: skip
_DETECTOR_HEADER = [
    "detector", "params (M)", "GMACs", "with bias, norm, ReLU, pooling", "paper", "note",
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


@dataclass(frozen=True)
class DetectorCount:
    """What a detector of the paper counts at ``size`` (height, width)."""

    name: str
    size: tuple[int, int]
    params: int
    macs: int
    san_macs: int


def count_detectors(
    size: tuple[int, int] = (800, 1333), create: Callable[[str], nn.Cell] = create_detector
) -> list[DetectorCount]:
    """Count every detector of the paper, in the paper's order. Takes minutes: each is run once."""
    counts = []
    for detector in PAPER_DETECTORS:
        traced = trace(create(detector.name), (1, 3, *size))
        counts.append(
            DetectorCount(detector.name, size, traced.params, traced.macs, traced.san_macs)
        )
    return counts


def detector_counts_to_json(counts: Sequence[DetectorCount]) -> str:
    """The counts as text that :func:`detector_counts_from_json` reads back."""
    return json.dumps([asdict(count) for count in counts], indent=1) + "\n"


def detector_counts_from_json(text: str) -> list[DetectorCount]:
    """Read counts.

    Raises:
        UserError: ``text`` was not written by :func:`detector_counts_to_json`.
    """
    try:
        return [
            DetectorCount(**{**row, "size": tuple(map(int, row["size"]))})
            for row in json.loads(text)
        ]
    except (ValueError, TypeError, KeyError) as error:
        raise UserError(
            f"counts: this is not a JSON of 'acmix summary --table detection': {error!r}"
        ) from error


def render_paper_table(counted: Sequence[tuple[PaperModel, Trace]], style: Style = "text") -> str:
    """The table, and below it why ours differ; printed numbers that ours round to need no note.

    FLOPs fit if they do in either way of counting: the paper counts its models in different ways.
    """
    notes = _Notes()
    rows = []
    for model, ours in counted:
        fits = _rounds_to(ours.params / 1e6, model.params) and _flops_fit(model.flops, ours)
        rows.append(
            [f"{model.label}, {model.name}", f"{ours.params / 1e6:.2f}", model.params,
             f"{ours.macs / 1e9:.3f}", f"{ours.san_macs / 1e9:.3f}", model.flops, model.top1,
             "" if fits else notes.number(model.reason)]
        )  # fmt: skip
    return notes.below(render_table(_HEADER, rows, style), style)


def render_detector_table(counts: Sequence[DetectorCount], style: Style = "text") -> str:
    """The same for detectors, of which the paper prints FLOPs alone."""
    notes = _Notes()
    rows = []
    for detector in PAPER_DETECTORS:
        for ours in (count for count in counts if count.name == detector.name):
            fits = not detector.flops or _flops_fit(detector.flops, ours)
            rows.append(
                [f"{detector.label}, {detector.name}", f"{ours.params / 1e6:.2f}",
                 f"{ours.macs / 1e9:.1f}", f"{ours.san_macs / 1e9:.1f}", detector.flops or "-",
                 "" if fits else notes.number(detector.reason)]
            )  # fmt: skip
    table = notes.below(render_table(_DETECTOR_HEADER, rows, style), style)
    sizes = sorted({f"{count.size[0]} x {count.size[1]}" for count in counts})
    return f"{table}\n\nImages of {', '.join(sizes)}; 80 classes."


class _Notes:
    """Numbered reasons, each said once."""

    def __init__(self) -> None:
        self._reasons: list[str] = []

    def number(self, reason: str) -> str:
        """Return the mark of a reason."""
        reason = reason or "unexplained"
        if reason not in self._reasons:
            self._reasons.append(reason)
        return f"[{self._reasons.index(reason) + 1}]"

    def below(self, table: str, style: Style) -> str:
        """Return the table with the reasons."""
        notes = [f"[{number}] {reason}." for number, reason in enumerate(self._reasons, start=1)]
        separator = "\n\n" if style == "markdown" else "\n"
        return "\n\n".join([table, separator.join(notes)]).rstrip()


def _flops_fit(printed: str, ours: Trace | DetectorCount) -> bool:
    return any(_rounds_to(count / 1e9, printed) for count in (ours.macs, ours.san_macs))


def _rounds_to(value: float, printed: str) -> bool:
    return f"{value:.{len(printed.partition('.')[2])}f}" == printed
