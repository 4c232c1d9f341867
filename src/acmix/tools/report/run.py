"""What a report reads of a run folder."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from acmix.config import Config, load_config
from acmix.errors import UserError, check
from acmix.tasks import Task, get_task
from acmix.utils.reading import read_bytes
from acmix.workflows.curve import best_record, read_records
from acmix.workflows.worst import Worst

_MAX_BYTES = 2**28


@dataclass
class Run:
    """A run folder.

    Attributes:
        folder: of the run.
        worst: its worst validation images, or why there are none; None if they were not asked for.
    """

    folder: Path
    worst: Worst | UserError | None = None
    config: Config = field(init=False)

    def __post_init__(self) -> None:
        file = self.folder / "config.yaml"
        check(
            file.is_file(),
            f"{self.folder} is no run folder: it has no config.yaml, which 'acmix train' writes.",
        )
        self.config = load_config(file)

    @property
    def task(self) -> Task[Any, Any, Any]:
        """The task of the run."""
        return get_task(self.config.task)

    @property
    def metrics_file(self) -> Path:
        """The file with a record per line."""
        return self.folder / "metrics.jsonl"

    @cached_property
    def records(self) -> list[dict[str, Any]]:
        """The records of the training; empty before the first milestone."""
        return read_records(self.metrics_file) if self.metrics_file.is_file() else []

    @cached_property
    def evaluation(self) -> dict[str, Any]:
        """Numbers of the last evaluation; empty if there was none."""
        return self._json("evaluation.json", {})

    @cached_property
    def environment(self) -> dict[str, Any]:
        """Versions and commit."""
        return self._json("environment.json", {})

    @cached_property
    def classes(self) -> list[str]:
        """Names of the classes."""
        return self._json("classes.json", [])

    @property
    def last(self) -> dict[str, Any]:
        """The last record; empty if there is none."""
        return self.records[-1] if self.records else {}

    @property
    def best(self) -> dict[str, Any]:
        """The record whose metric is the best; empty if there was no evaluation."""
        return best_record(self.records, next(iter(self.task.headline))) or {}

    def _json(self, name: str, default: Any) -> Any:
        file = self.folder / name
        if not file.is_file():
            return default
        try:
            content = json.loads(read_bytes(file, _MAX_BYTES))
        except (ValueError, RecursionError) as error:
            raise UserError(f"{file} is damaged: it is no JSON ({error}).") from error
        check(
            type(content) is type(default),
            f"{file} is damaged: it holds no {'object' if default == {} else 'list'}.",
        )
        return content
