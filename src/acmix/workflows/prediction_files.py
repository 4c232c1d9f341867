"""Predictions as a table for spreadsheets and data frames."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from acmix.tasks.prediction import Prediction
from acmix.utils.files import text_file


@contextmanager
def csv_table(path: str | Path) -> Iterator[Callable[[Prediction], None]]:
    """Yield a function that adds a prediction to a CSV file, which appears when the body ends.

    The first column is the image, the others are the task's, see
    :class:`acmix.tasks.prediction.Prediction`. An image without classes or objects has no row.

    Raises:
        UserError: the file cannot be written.
    """
    with text_file(Path(path)) as file:
        table = csv.writer(file, lineterminator="\n")
        columns: tuple[str, ...] = ()

        def add(prediction: Prediction) -> None:
            nonlocal columns
            if prediction.columns and not columns:
                columns = prediction.columns
                table.writerow(("image", *columns))
            table.writerows((prediction.image, *row) for row in prediction.rows())

        yield add
        if not columns:
            table.writerow(("image",))
