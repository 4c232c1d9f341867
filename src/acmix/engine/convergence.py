"""What happens when training has diverged."""

from __future__ import annotations

from acmix.engine.meter import Meter
from acmix.engine.run_dir import RunDir
from acmix.errors import UserError
from acmix.parallel import World


def check_convergence(
    meter: Meter, step: int, rate: float, stop_at_nonfinite: bool, run_dir: RunDir, world: World
) -> None:
    """Raise UserError, on all ranks, if training has diverged; before anything is written.

    Args:
        meter: has the results of the steps.
        step: the last one.
        rate: its learning rate.
        stop_at_nonfinite: whether a single loss that is not finite is enough.
        run_dir: holds the last good checkpoint, which the message names.
        world: the devices that train together.
    """
    reason = meter.divergence(step, rate, stop_at_nonfinite)
    if reason is None:
        return
    # Broadcast by the first device: on other machines the folder may be empty.
    latest = run_dir.checkpoints.latest() if world.is_first else None
    good = world.broadcast(latest and str(latest)) or "none yet"
    raise UserError(
        f"Training diverged {reason}. Last good checkpoint: {good}. Lower optim.lr, lengthen "
        "schedule.warmup_epochs, set optim.clip_norm, train with train.amp=O0, or leave such "
        "steps out with train.on_nonfinite=skip."
    )
