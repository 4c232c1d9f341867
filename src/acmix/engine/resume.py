"""Where a run begins: its folder, its checkpoint, and one state on all devices."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from mindspore import Parameter

from acmix.engine.checkpoint import AVERAGE, Progress, read_checkpoint
from acmix.engine.run_dir import RunDir
from acmix.errors import check
from acmix.ops.random import ahead
from acmix.parallel import World
from acmix.utils.parameters import get_value, load_values, set_value

logger = logging.getLogger(__name__)

RANDOM_STRIDE = 2**32
"""Random numbers that every Cell may draw on a device before it draws those of the next one."""


def resume_run(
    run_dir: RunDir,
    resume: str | Path | None,
    state: Mapping[str, Parameter],
    fresh: Progress,
    global_batch: int,
) -> Progress:
    """Prepare the run folder and load the checkpoint, if there is one; of the first device alone.

    Args:
        run_dir: of the run.
        resume: see :meth:`acmix.engine.Trainer.fit`.
        state: is loaded.
        fresh: progress of a run that begins now.
        global_batch: images of a step.

    Returns:
        Where training goes on.
    """
    folder = run_dir.checkpoints
    path = folder.to_resume() if resume == "auto" else Path(resume) if resume else None
    if resume != "auto" and (path is None or path.parent.resolve() != folder.path.resolve()):
        run_dir.check_unused()
    if path is None:
        return fresh
    tensors, saved = read_checkpoint(path)
    progress = _continued(saved, fresh, str(path))
    load_values(state, tensors, str(path))
    where = f"after epoch {progress.epoch}"
    if progress.position:
        where += f" and {progress.position} images of the next"
        if progress.position % global_batch:
            progress = replace(progress, position=progress.position // global_batch * global_batch)
            where += f", of which {saved.position - progress.position} are seen again"
    logger.info("Resumed %s, made at step %d, %s.", path, progress.step, where)
    return progress


def _continued(saved: Progress, fresh: Progress, path: str) -> Progress:
    """Return the progress of a checkpoint as this run counts it."""
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
            "instead of %d. Learning rates follow the epochs; with optim.lr_batch they are scaled "
            "to the new global batch.",
            saved.workers,
            fresh.workers,
            fresh.steps_per_epoch,
            saved.steps_per_epoch,
        )
    return replace(saved, workers=fresh.workers, steps_per_epoch=fresh.steps_per_epoch)


def broadcast_state(state: Mapping[str, Parameter], world: World) -> None:
    """Give every device the state of the first one, and each Cell random numbers of its own.

    The state of a generator is moved ahead by a fixed stride per device, and a step moves all of
    them alike: what the first device saves stands for the states of all.

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
    """Return a digest of names and values."""
    digest = hashlib.sha256()
    for name, parameter in state.items():
        digest.update(name.encode())
        digest.update(get_value(parameter).tobytes())
    return digest.digest()
