"""Initial state of a run: prepare its folder, load its checkpoint, copy it to all devices."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from mindspore import Parameter

from acmix.engine.checkpoint import AVERAGE, Progress, read_checkpoint
from acmix.engine.run_dir import RunDir
from acmix.errors import check
from acmix.ops.random import ahead
from acmix.parallel import World
from acmix.utils.parameters import get_value, load_values, set_value

logger = logging.getLogger(__name__)

RANDOM_STRIDE = 2**32
"""Distance between the devices in a Cell's sequence of random numbers; limits what one draws."""


def resume_run(
    run_dir: RunDir,
    resume: str | Path | None,
    state: Mapping[str, Parameter],
    fresh: Progress,
    global_batch: int,
    check_run: Callable[[Mapping[str, Any], str], None] | None = None,
) -> tuple[Progress, dict[str, Any]]:
    """Check the run folder and load the checkpoint, if there is one; on the first device only.

    Args:
        run_dir: folder of the run.
        resume: see :meth:`acmix.engine.Trainer.fit`.
        state: receives the values of the checkpoint.
        fresh: progress of a new run.
        global_batch: images of a step.
        check_run: called with what the checkpoint says about its run, and the checkpoint's path;
            raises UserError if it is another run.

    Returns:
        The progress from which training continues, and the meter's state.
    """
    folder = run_dir.checkpoints
    path = folder.to_resume() if resume == "auto" else Path(resume) if resume else None
    if resume != "auto" and (path is None or path.parent.resolve() != folder.path.resolve()):
        run_dir.check_unused()
    if path is None:
        return fresh, {}
    tensors, written, meter, about = read_checkpoint(path)
    if check_run is not None:
        check_run(about, str(path))
    saved = folder.progress_of(path, written)
    if meter and written.pending and not saved.pending:
        meter = {**meter, "rows": []}  # they are in the line that the evaluation has written
    progress = _continued(saved, fresh, str(path))
    load_values(state, tensors, str(path))
    where = f"after epoch {progress.epoch}"
    if progress.position:
        where += f" and {progress.position} images of the next"
        again = progress.position - progress.steps_inside(global_batch) * global_batch
        if again:
            where += f", of which {again} are seen again"
        if not progress.pending:  # else the evaluation is of the step as it was
            progress = replace(progress, position=progress.position - again)
    logger.info("Resumed %s, made at step %d, %s.", path, progress.step, where)
    return progress, meter


def _continued(saved: Progress, fresh: Progress, path: str) -> Progress:
    """Return the progress of a checkpoint with the workers and epoch length of this run."""
    names = [("seed", "seed")]
    if saved.workers == fresh.workers:
        names.append(("steps_per_epoch", "data.batch_size"))
    for name, remedy in names:
        before, now = getattr(saved, name), getattr(fresh, name)
        check(
            before == now,
            f"{path} was made with {name}={before}, now it is {now}; to resume set {remedy} and "
            "the data as they were.",
        )
    if saved.workers != fresh.workers:
        logger.info(
            "The checkpoint was made by %d workers, now there are %d: an epoch has %d steps "
            "instead of %d. Learning rates follow the epochs, or the steps with train.steps; with "
            "optim.lr_batch they are scaled to the new global batch.",
            saved.workers,
            fresh.workers,
            fresh.steps_per_epoch,
            saved.steps_per_epoch,
        )
    return replace(saved, workers=fresh.workers, steps_per_epoch=fresh.steps_per_epoch)


def broadcast_state(state: Mapping[str, Parameter], world: World) -> None:
    """Copy the state of the first device to all, except for the random states of Cells.

    Each device advances them by a fixed stride per rank, so that it draws other numbers. A step
    advances all of them equally: a checkpoint of the first device determines the states of all.

    Raises:
        UserError: the devices hold different values afterwards.
    """
    if world.size == 1:
        return
    world.broadcast_parameters(state.values())
    world.check_equal(
        "The state of training",
        [checksum(state)],
        "its transfer failed: test the network between the machines",
    )
    for name, parameter in state.items():
        if name.endswith("random_state") and not name.startswith(AVERAGE):
            set_value(parameter, ahead(get_value(parameter), world.rank * RANDOM_STRIDE))


def checksum(state: Mapping[str, Parameter]) -> bytes:
    """Return the SHA-256 digest of names and values."""
    digest = hashlib.sha256()
    for name, parameter in state.items():
        digest.update(name.encode())
        digest.update(get_value(parameter).tobytes())
    return digest.digest()
