"""The folder of a run: configuration, environment, metrics, checkpoints."""

from __future__ import annotations

import json
import math
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from acmix.engine.checkpoint_folder import CheckpointFolder
from acmix.errors import UserError
from acmix.utils.files import translate_disk_errors, write_text


class RunDir:
    """Folder with all output of a run.

    It contains:

    - ``config.yaml``: the resolved configuration
    - ``environment.json``: versions, git commit
    - ``metrics.jsonl``: one JSON object per line, see :class:`acmix.engine.trainer.Trainer`
    - ``checkpoints/``
    - ``profile_trace.json``: a timeline of training steps, with ``profile=true``

    Args:
        path: the folder; made by :meth:`initialise`.
        versions: result of ``acmix.environment.describe()``, or any JSON object.
        keep: number of newest checkpoints to keep in addition to the best.
        safetensors: also write the weights of the last and the best checkpoint alone.
    """

    def __init__(
        self,
        path: str | Path,
        versions: Mapping[str, Any] | None = None,
        keep: int = 2,
        safetensors: bool = False,
    ):
        self.path = Path(path)
        self.versions = dict(versions or {})
        self.checkpoints = CheckpointFolder(self.path / "checkpoints", keep, safetensors)
        self.config_file = self.path / "config.yaml"
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

    def initialise(self, config_yaml: str, step: int = 0) -> None:
        """Write configuration and environment; drop records and checkpoints after ``step``.

        Args:
            config_yaml: the resolved configuration.
            step: optimizer steps taken so far. Dropping later lines of ``metrics.jsonl`` and later
                checkpoints makes the history that of an uninterrupted run.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        write_text(self.config_file, config_yaml)
        environment = {"versions": self.versions, "git_commit": git_commit()}
        write_text(self.environment_file, json.dumps(environment, indent=2, default=str) + "\n")
        kept = [record for record in self.metrics() if record["step"] <= step]
        write_text(self.metrics_file, "".join(_line(record) for record in kept))
        self.checkpoints.drop_after(step)

    def log(self, record: Mapping[str, Any]) -> None:
        """Append one line to ``metrics.jsonl``; NaN and infinities become null.

        Raises:
            UserError: the disk is full.
        """
        with (
            translate_disk_errors(self.path),
            open(self.metrics_file, "a", encoding="utf-8") as file,
        ):
            file.write(_line(record))

    def metrics(self) -> list[dict[str, Any]]:
        """Return the records of ``metrics.jsonl``, without a line cut off by a crash."""
        if not self.metrics_file.exists():
            return []
        records = []
        for line in self.metrics_file.read_text(encoding="utf-8").splitlines():
            try:
                records.append(json.loads(line))
            except ValueError:
                continue
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
    return json.dumps(_finite(record)) + "\n"


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
