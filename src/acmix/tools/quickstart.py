"""Quick start: train, evaluate, export, verify and measure on the digits data set."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from acmix import workflows
from acmix.config import load_config
from acmix.environment import describe
from acmix.tools import ablation
from acmix.tools.ablation_report import Row, render
from acmix.utils.files import write_text
from acmix.utils.next_commands import best_checkpoint, next_commands, quoted
from acmix.workflows.runs import run_config

PATHS = {"ACmix": "acmix", "attention only": "attention", "convolution only": "conv"}


def run(configs: Path, output: Path, overrides: tuple[str, ...] = ()) -> dict[str, Any]:
    """Train Swin-ACmix and its two single-path variants, export the first, and print one table.

    Args:
        configs: folder with ``digits_{acmix,attention,conv}_swin.yaml``.
        output: folder for the runs, ``acmix.mindir`` and ``summary.json``.
        overrides: ``key=value`` for all configurations.

    Returns:
        The content of ``summary.json``: top-1 and images per second of the three, the largest
        difference between MindIR and checkpoint, and the total seconds.
    """
    start = time.perf_counter()
    chosen = {
        name: load_config(configs / f"digits_{path}_swin.yaml", overrides)
        for name, path in PATHS.items()
    }
    rows, report = ablation.compare(chosen, output)
    first = rows[0]
    (checkpoint,) = map(Path, first.checkpoints)
    exported = workflows.export(
        run_config(checkpoint),
        checkpoint,
        output / "acmix.mindir",
        format="mindir",
    )
    by_path = {PATHS[row.name]: row for row in rows}
    summary = {
        "top1": by_path["acmix"].mean("top1"),
        "top1_attention": by_path["attention"].mean("top1"),
        "top1_conv": by_path["conv"].mean("top1"),
        "mindir_max_abs_diff": exported.max_abs_diff,
        "fps": {path: row.fps for path, row in by_path.items()},
        "path_weights": first.path_weights[0],
        "seconds": time.perf_counter() - start,
        "environment": describe(),
    }
    write_text(output / "summary.json", json.dumps(summary, indent=1))
    write_text(output / "bench.json", report.to_json())
    print(f"\n{render(rows)}\n")
    print(_meaning(rows))
    print(f"{exported.path}: max abs difference to the checkpoint {exported.max_abs_diff:.1e}")
    print(f"{summary['seconds']:.0f} s; details in {output / 'summary.json'}")
    print("Next:")
    for command in _next(checkpoint.parents[1]):
        print(f"  {command}")
    return summary


def _next(run: Path) -> list[str]:
    """Return the commands that look at the trained ACmix, and begin with one's own images."""
    evaluate, *_ = next_commands(run)
    checkpoint, folder = (quoted(path) for path in (best_checkpoint(run), run / "path-bias"))
    return [
        evaluate,
        f"acmix analyze path-bias {checkpoint} --output {folder}",
        "acmix train configs/classification/image_folder_acmix_swin.yaml data.root=FOLDER",
    ]


def _meaning(rows: Sequence[Row]) -> str:
    """Say what the table shows, which is not that one path is as good as both."""
    best = max(rows[1:], key=lambda row: row.mean("top1"))
    ahead = 100 * (rows[0].mean("top1") - best.mean("top1"))
    return (
        f"ACmix is {abs(ahead):.1f} points {'below' if ahead < 0 else 'above'} the better path "
        f"alone, {best.name}. Digits are small and local:\na convolution is enough for them, so "
        "look at whether ACmix follows the better path, and at what both cost.\nThe paper's Tab. 6 "
        "compares them on ImageNet: "
        "`acmix ablate configs/ablation/paths/*.yaml data.root=FOLDER`.\n"
    )
