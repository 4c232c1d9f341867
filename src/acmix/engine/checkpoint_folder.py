"""The checkpoints of a run: save, find the newest intact one, remove old ones."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mindspore import Parameter

from acmix.engine.checkpoint import Progress, save_checkpoint, save_weights
from acmix.engine.manifest import Entry, read_manifest, write_manifest
from acmix.errors import UserError, check
from acmix.utils.files import publish, remove_staging_folders, staging_folder
from acmix.utils.reading import unusable

logger = logging.getLogger(__name__)

LAST, BEST = "last.ckpt", "best.ckpt"
_NUMBERED = re.compile(r"(epoch|step)_\d+\.ckpt")


def file_name(progress: Progress) -> str:
    """Return ``epoch_0003.ckpt`` after an epoch, ``step_00000123.ckpt`` inside one."""
    if progress.inside_epoch:
        return f"step_{progress.step:08d}.ckpt"
    return f"epoch_{progress.epoch:04d}.ckpt"


class CheckpointFolder:
    """Checkpoints by progress, ``last.ckpt``, ``best.ckpt`` and their ``manifest.json``.

    A crash at any moment leaves the newest checkpoint that was written in full. Files are removed
    only after newer, verified ones exist. One process writes; others may read at the same time.

    Args:
        path: the folder; made by the first :meth:`save`.
        keep: number of newest checkpoints to keep.
        safetensors: also write ``last.safetensors`` and ``best.safetensors``, the weights alone.
    """

    def __init__(self, path: Path, keep: int = 2, safetensors: bool = False):
        self.path = path
        self.keep = keep
        self.safetensors = safetensors
        self._reported: set[Path] = set()

    def files(self) -> list[Path]:
        """Return the checkpoints named by progress, intact or damaged, in no order."""
        return [path for path in self.path.glob("*.ckpt") if _NUMBERED.fullmatch(path.name)]

    def save(
        self,
        state: Mapping[str, Parameter],
        progress: Progress,
        meter: Mapping[str, Any] | None = None,
        about: Mapping[str, Any] | None = None,
    ) -> Path:
        """Save under the name of ``progress``, and as ``best.ckpt`` if it is; remove old ones.

        Args:
            state, progress, meter, about: see :func:`acmix.engine.checkpoint.save_checkpoint`.

        Raises:
            UserError: the file cannot be written, for example because the disk is full; names
                the newest intact checkpoint.
        """
        target = self.path / file_name(progress)
        try:
            with _one_line(target):
                save_checkpoint(target, state, progress, meter, about)
                self._register(target, state, progress)
        except UserError as error:
            raise UserError(
                f"{error} Training stops at step {progress.step}; the last good checkpoint is "
                f"{self.latest() or 'none'}, from which --resume auto continues."
            ) from error
        return target

    def conclude(
        self,
        state: Mapping[str, Parameter],
        progress: Progress,
        about: Mapping[str, Any] | None = None,
    ) -> None:
        """Record the evaluation of what was saved before it; link ``best.ckpt`` if it is.

        The checkpoint itself stays as it is: the manifest holds the new progress. Without the
        manifest a resumed run evaluates it again. Of a run that continues in a new folder
        it is written there.
        """
        target = self.path / file_name(progress)
        if target.exists():
            with _one_line(target):
                self._register(target, state, progress)
        else:
            self.save(state, progress, about=about)

    def progress_of(self, checkpoint: Path, saved: Progress) -> Progress:
        """Return the progress of an intact checkpoint, with its evaluation if that is recorded."""
        entry = read_manifest(checkpoint.parent).get(checkpoint.name)
        same_point = entry is not None and (entry.progress.step, entry.progress.epoch) == (
            saved.step,
            saved.epoch,
        )
        return entry.progress if entry and same_point and entry.matches(checkpoint) else saved

    def latest(self) -> Path | None:
        """Return the newest intact checkpoint, or None.

        Damaged ones are skipped with a warning.
        """
        for file, entry in reversed(self._known().items()):
            if entry.matches(file) or self._read_entry(file):
                return file
        return None

    def to_resume(self) -> Path | None:
        """Return :meth:`latest`; None only if there are no checkpoints at all.

        Raises:
            UserError: there are checkpoints, but all of them are damaged.
        """
        newest = self.latest()
        check(
            newest is not None or not self.files(),
            f"All checkpoints in {self.path} are damaged; restore one, or start again with another "
            "output=PATH.",
        )
        return newest

    def move_after(self, step: int, aside: Path) -> None:
        """Move checkpoints newer than ``step``, which a run resumed there writes again.

        Also removes temporary folders of processes that were killed while writing.

        Args:
            step: of the checkpoint from which the run continues.
            aside: folder for the newer ones; made if there are any.
        """
        if not self.path.is_dir():
            return
        remove_staging_folders(self.path)
        known = {}
        for file, entry in self._known().items():
            if entry.progress.step <= step:
                known[file] = entry
                continue
            aside.mkdir(parents=True, exist_ok=True)
            for moved in (file, _weights_file(file)):
                if moved.exists():
                    os.replace(moved, aside / moved.name)
        if known and self.path / BEST not in known:
            self._restore_best(known)
        self._write_manifest(known)

    def _register(self, target: Path, state: Mapping[str, Parameter], progress: Progress) -> None:
        """Link a new checkpoint as last and best, update the manifest, then remove old files."""
        entry = Entry.of(target, progress)
        written = {target.name: entry}
        is_best = progress.best_step == progress.step and not progress.pending
        for name in (LAST, BEST) if is_best else (LAST,):
            self._alias(target, name)
            written[name] = entry
            if self.safetensors:
                save_weights(_weights_file(self.path / name), state)
            else:
                _weights_file(self.path / name).unlink(missing_ok=True)  # of another setting
        known = self._known(written)
        numbered = [file for file in known if _NUMBERED.fullmatch(file.name)]
        dropped = set(self.files()) - set(numbered[-self.keep :])
        self._write_manifest({file: known[file] for file in known if file not in dropped})
        for file in dropped:
            file.unlink(missing_ok=True)

    def _known(self, written: Mapping[str, Entry] | None = None) -> dict[Path, Entry]:
        """Return the readable checkpoints with their entries, the newest last.

        Args:
            written: entries that replace those of the manifest.
        """
        manifest = read_manifest(self.path) | dict(written or {})
        known = {}
        for file in [*self.files(), *self._aliases()]:
            entry = manifest.get(file.name)
            if entry is None or not entry.size_matches(file):
                entry = self._read_entry(file)
            if entry is not None:
                known[file] = entry

        def order(file: Path) -> tuple[int, bool, str]:
            return known[file].progress.step, bool(_NUMBERED.fullmatch(file.name)), file.name

        return {file: known[file] for file in sorted(known, key=order)}

    def _read_entry(self, file: Path) -> Entry | None:
        """Read a checkpoint in full; if it is damaged, warn once and return None."""
        try:
            return Entry.of(file)
        except (UserError, OSError) as error:
            if file not in self._reported:
                logger.warning("Checkpoint %s is passed over: %s", file, error)
                self._reported.add(file)
            return None

    def _aliases(self) -> list[Path]:
        return [self.path / name for name in (LAST, BEST) if (self.path / name).exists()]

    def _restore_best(self, known: dict[Path, Entry]) -> None:
        """Link ``best.ckpt`` to the best checkpoint so far, if it still exists."""
        best_step = known[next(reversed(known))].progress.best_step
        best = next((file for file in known if known[file].progress.step == best_step), None)
        if best is not None:
            self._alias(best, BEST)
            known[self.path / BEST] = known[best]

    def _write_manifest(self, known: Mapping[Path, Entry]) -> None:
        write_manifest(self.path, {file.name: entry for file, entry in known.items()})

    def _alias(self, target: Path, name: str) -> None:
        with staging_folder(self.path) as folder:
            staged = folder / name
            try:
                os.link(target, staged)
            except OSError:  # file systems without hard links
                staged.write_bytes(target.read_bytes())
            publish(staged, self.path / name)


def latest_checkpoint(run_dir: str | Path) -> Path | None:
    """Return the newest intact checkpoint of a run folder, see :meth:`CheckpointFolder.latest`."""
    return CheckpointFolder(Path(run_dir) / "checkpoints").latest()


@contextmanager
def _one_line(target: Path) -> Iterator[None]:
    """Raise UserError if somebody removes the folder or its files meanwhile."""
    try:
        yield
    except OSError as error:
        raise unusable(target, error) from error


def _weights_file(checkpoint: Path) -> Path:
    return checkpoint.with_suffix(".safetensors")
