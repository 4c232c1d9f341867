"""Tables of parameters and multiply-adds by name; imports no MindSpore, as the parser reads it."""

from __future__ import annotations

from dataclasses import dataclass

from acmix.tools.analysis.competitors import COMPARED
from acmix.tools.analysis.paper import (
    PAPER_DETECTORS,
    PAPER_MODELS,
    PAPER_SEGMENTERS,
    PaperNetwork,
)


@dataclass(frozen=True)
class CountTable:
    """A table of parameters and multiply-adds.

    Attributes:
        rows: networks, all counted at one size.
        kind: what the rows are, in the singular.
        score: title of the column of printed scores; empty for none.
        decimals: of the multiply-adds in billions.
        conditions: what the counts depend on besides the size of images.
        sources: whether a column names the source of the printed numbers.
    """

    rows: tuple[PaperNetwork, ...]
    kind: str
    score: str = ""
    decimals: int = 1
    conditions: str = ""
    sources: bool = False


COUNT_TABLES = {
    "paper": CountTable(PAPER_MODELS, "model", "top-1 (paper's)", decimals=3),
    "comparison": CountTable(COMPARED, "model", "top-1 (published)", decimals=3, sources=True),
    "detectors": CountTable(
        PAPER_DETECTORS,
        "detector",
        conditions="80 classes; Mask R-CNN and Cascade have 1000 proposals and 100 masks",
    ),
    "segmentation": CountTable(
        PAPER_SEGMENTERS,
        "segmenter",
        "mIoU (paper's)",
        conditions="150 classes; UperNet's auxiliary head, which only training runs, is in the "
        "parameters alone; Swin's windows are padded without a mask, as in its code",
    ),
}
"""Tables of parameters and multiply-adds by name."""
