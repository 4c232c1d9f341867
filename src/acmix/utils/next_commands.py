"""What to do with a finished run: commands to copy."""

from __future__ import annotations

import shlex
from pathlib import Path


def next_commands(run: Path, image: str | None = None) -> list[str]:
    """Return the commands that evaluate, use and export the best checkpoint of a run.

    Args:
        run: folder of the run.
        image: an image to predict; None leaves a place for its name.
    """
    config, exported = quoted(run / "config.yaml"), quoted(run / "best.mindir")
    checkpoint = quoted(best_checkpoint(run))
    picture = "IMAGE" if image is None else quoted(Path(image))
    return [
        f"acmix eval {config} --checkpoint {checkpoint} --per-class",
        f"acmix predict {checkpoint} {picture}",
        f"acmix export {config} --checkpoint {checkpoint} --format mindir --output {exported}",
    ]


def best_checkpoint(run: Path) -> Path:
    """Return the best checkpoint of a run; the last of one that was never evaluated."""
    best = run / "checkpoints" / "best.ckpt"
    return best if best.exists() else best.with_name("last.ckpt")


def quoted(path: Path) -> str:
    """Return a path for a shell; one that begins with a dash is no option."""
    text = str(path)
    return shlex.quote(f"./{text}" if text.startswith("-") else text)
