"""The confusion matrix as a file: of ``acmix eval``, and of a run that trains."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np

from acmix.tasks.base import ConfigT, ModelT, Task, TaskMetric
from acmix.tasks.confusion_plot import plot_confusion_matrix
from acmix.utils.figures import check_picture


class ConfusionMetric(TaskMetric, Protocol):
    """Metric that counts which class was taken for which.

    Attributes:
        confusion: int64 (K, K), rows are true classes, columns predicted ones.
    """

    confusion: np.ndarray


ConfusedT = TypeVar("ConfusedT", bound=ConfusionMetric)


class ConfusionTask(Task[ConfigT, ModelT, ConfusedT]):
    """Task whose metric has a confusion matrix, which is drawn."""

    @abstractmethod
    def confusion_title(self, metric: ConfusedT) -> str:
        """Return the text above the picture: the main metric, and of how much."""

    def check_eval_file(self, option: str, path: Path) -> None:
        """Raise UserError unless the suffix is that of a picture."""
        check_picture(path)

    def write_eval_file(
        self, option: str, metric: ConfusedT, classes: Sequence[str], path: Path
    ) -> None:
        """Draw the confusion matrix of the data set's classes."""
        count = len(classes)  # a head may have more outputs
        matrix = metric.confusion[:count, :count]
        plot_confusion_matrix(matrix, classes, path, self.confusion_title(metric))

    def write_evaluation(self, metric: ConfusedT, classes: Sequence[str], folder: Path) -> None:
        """Write the numbers, the table of the classes, and ``confusion.png``."""
        super().write_evaluation(metric, classes, folder)
        self.write_eval_file("confusion", metric, classes, folder / "confusion.png")
