"""How a call of :meth:`acmix.engine.Trainer.fit` ended."""

from __future__ import annotations

from dataclasses import dataclass, field

from acmix.engine.checkpoint import Progress


@dataclass(frozen=True)
class FitResult:
    """Result of :meth:`Trainer.fit`."""

    progress: Progress
    metrics: dict[str, float] = field(default_factory=dict)
    """Of the last evaluation."""
    seconds: float = 0.0
    """Wall time of this call."""
    stopped_by: str | None = None
    """Name of the signal that ended training early. If then ``progress.is_concluded`` is false, a
    resumed run begins with the evaluation."""
    example: str | None = None
    """Path of an image file of the validation split, to try a prediction on; None if unknown."""
