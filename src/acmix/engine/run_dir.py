"""The folder of a run: configuration, environment, metrics, checkpoints."""

from __future__ import annotations

import json
import logging
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from acmix.engine.checkpoint import Progress
from acmix.engine.checkpoint_folder import CheckpointFolder
from acmix.engine.logs.base import Log
from acmix.errors import UserError, check
from acmix.utils.files import translate_disk_errors, write_text
from acmix.utils.json_text import to_json
from acmix.utils.reading import unusable

logger = logging.getLogger(__name__)

CLASSES_FILE = "classes.json"


class RunDir:
    """Folder with all output of a run.

    It contains:

    - ``config.yaml``: the resolved configuration
    - ``classes.json``: names of the classes, in the order of the labels
    - ``environment.json``: versions, git commit
    - ``metrics.jsonl``: one JSON object per line, see :class:`acmix.engine.trainer.Trainer`
    - ``curve.png``, ``evaluation.json``, ``per_class.txt``, ``confusion.png``: by
      :class:`acmix.workflows.run_pictures.RunPictures`
    - ``checkpoints/``
    - what ``logs`` write, such as ``tensorboard/``
    - ``profile_trace.json``: a timeline of training steps, with ``profile=true``
    - ``replaced/``: what a run resumed from an older checkpoint has replaced

    Args:
        path: the folder; made by :meth:`initialise`.
        versions: result of ``acmix.environment.describe()``, or any JSON object.
        keep: number of newest checkpoints to keep in addition to the best.
        safetensors: also write the weights of the last and the best checkpoint alone.
        logs: further logs, which get the lines of ``metrics.jsonl``.
    """

    def __init__(
        self,
        path: str | Path,
        versions: Mapping[str, Any] | None = None,
        keep: int = 2,
        safetensors: bool = False,
        logs: Sequence[Log] = (),
    ):
        self.path = Path(path)
        self.versions = dict(versions or {})
        self.logs = tuple(logs)
        self.checkpoints = CheckpointFolder(self.path / "checkpoints", keep, safetensors)
        self.config_file = self.path / "config.yaml"
        self.classes_file = self.path / CLASSES_FILE
        self.environment_file = self.path / "environment.json"
        self.metrics_file = self.path / "metrics.jsonl"
        self.profile_file = self.path / "profile_trace.json"

    def check_unused(self) -> None:
        """Refuse a folder that holds a run, since a new one would overwrite it.

        Raises:
            UserError: the folder holds a run; names the two remedies.
        """
        if self.config_file.exists() or self.metrics_file.exists() or self.checkpoints.files():
            raise UserError(
                f"output={self.path} already holds a run. Continue it with --resume auto, or "
                "choose another folder with output=PATH."
            )

    def initialise(
        self,
        config_yaml: str,
        progress: Progress | None = None,
        classes: Sequence[str] | None = None,
    ) -> None:
        """Write configuration, environment and class names; leave out what came later.

        Later lines of ``metrics.jsonl`` are dropped, so that the history becomes that of an
        uninterrupted run. When the run continues from a checkpoint that is not the newest, newer
        checkpoints and the lines move to ``replaced/after_step_N``.

        Args:
            config_yaml: the resolved configuration.
            progress: progress from which the run continues; None for a new run.
            classes: names of the classes, in the order of the labels.
        """
        progress = progress or Progress()
        self.path.mkdir(parents=True, exist_ok=True)
        write_text(self.config_file, config_yaml)
        environment = {"versions": self.versions, "git_commit": git_commit()}
        write_text(self.environment_file, json.dumps(environment, indent=2, default=str) + "\n")
        if classes is not None:
            write_text(self.classes_file, json.dumps(list(classes), indent=1))
        aside = self.path / "replaced" / f"after_step_{progress.step}"
        self.checkpoints.move_after(progress.step, aside)
        if aside.is_dir() and self.metrics_file.exists():
            shutil.copy2(self.metrics_file, aside)
            logger.warning(
                "The checkpoints after step %d and a copy of metrics.jsonl are in %s now.",
                progress.step,
                aside,
            )
        # Its own line is written after the evaluation, and again if that is outstanding.
        last = progress.step - progress.pending
        kept = [record for record in self.metrics() if record["step"] <= last]
        write_text(self.metrics_file, "".join(_line(record) for record in kept))
        for log in self.logs:
            log.begin(last)

    def log(self, record: Mapping[str, Any]) -> None:
        """Append one line to ``metrics.jsonl``, where NaN and infinities become null, and to logs.

        Raises:
            UserError: the disk is full, or the folder was moved or removed.
        """
        self.check_present(int(record["step"]))
        try:
            with (
                translate_disk_errors(self.path),
                open(self.metrics_file, "a", encoding="utf-8") as file,
            ):
                file.write(_line(record))
        except OSError as error:
            raise unusable(self.metrics_file, error) from error
        for log in self.logs:
            log.add(record)

    def close(self) -> None:
        """End the logs."""
        for log in self.logs:
            log.close()

    def check_present(self, step: int) -> None:
        """Raise UserError if the folder was moved or removed since :meth:`initialise`.

        Writing would make a second, incomplete folder at the old place.
        """
        check(
            self.config_file.exists(),
            f"{self.path} was moved or removed during training, which stops at step {step}. If you "
            "moved it, continue there with output=PATH --resume auto.",
        )

    def metrics(self) -> list[dict[str, Any]]:
        """Return the records of ``metrics.jsonl``.

        A line that a crash cut off is left out, and so is any that is not a record with a step.
        """
        try:
            text = self.metrics_file.read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return []
        except OSError as error:
            raise unusable(self.metrics_file, error) from error
        records = []
        for line in text.split("\n"):
            with suppress(ValueError, RecursionError):
                record = json.loads(line)
                if isinstance(record, dict) and type(record.get("step")) is int:
                    records.append(record)
        return records


def git_commit() -> str | None:
    """Return the commit of this package's checkout, with ``-dirty`` if changed, or None."""
    command = ["git", "describe", "--always", "--abbrev=40", "--dirty", "--exclude=*"]
    try:
        answer = subprocess.run(
            command, cwd=Path(__file__).parent, capture_output=True, text=True, timeout=10
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return answer.stdout.strip() or None if answer.returncode == 0 else None


def _line(record: Mapping[str, Any]) -> str:
    return to_json(record, indent=None) + "\n"
