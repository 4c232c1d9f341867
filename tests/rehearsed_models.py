"""The kernels that MindSpore chooses on Ascend for every architecture, kept in docs/ascend/kernels.

``python tests/rehearsed_models.py [pattern]`` writes the file anew; look at the difference before
you commit it. The graphs are those that ``acmix export --target ascend`` writes of the models of
tests/audited_models.py; each runs once at jit_level O0 on the stand-in device, which computes
nothing. It takes about half a minute for a model.
"""

from __future__ import annotations

import fnmatch
import json
import os
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

os.environ.setdefault("GLOG_v", "3")

import audited_models
import mindspore as ms

from acmix.export.checked_mindir import write_mindir
from acmix.export.fusion import fuse
from acmix.tasks import get_task
from acmix.tools.rehearsal.rehearse import rehearse
from acmix.tools.rehearsal.report import Rehearsal
from acmix.utils.files import write_text
from acmix.utils.modes import built_for
from acmix.workflows.runs import build_model

FILE = audited_models.FOLDER / "kernels" / "inference_o0.json"
FORWARD = Path(__file__).parent / "tools" / "rehearsal" / "forward.py"
BATCH = 2


def rehearsed(name: str) -> Rehearsal:
    """Export a model as for Ascend, and rehearse a forward of the file."""
    config = audited_models.config(name)
    task = get_task(config.task)
    shape = (BATCH, *task.image_shape(config))
    if name in (*audited_models.DETECTORS, *audited_models.SEGMENTERS):
        shape = (*shape[:2], 160, 224)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "net.mindir"
        with built_for("Ascend"):
            network = task.deployed(fuse(build_model(config, config.model.num_classes)))
            write_mindir(network, ms.Tensor(shape=shape, dtype=ms.float32), file)
        return rehearse(str(FORWARD), [str(file), *map(str, shape)], jit_level="O0")


def summary(result: Rehearsal) -> dict[str, Any]:
    """Return what is kept of a rehearsal: numbers of nodes and of launches."""
    return {
        "nodes": lines(result.kernels),
        "launches": lines({(name, kind): n for (kind, name), n in result.calls.items()}),
    }


def lines(counts: dict[tuple[str, str], int] | Counter[tuple[str, str]]) -> dict[str, int]:
    return {f"{name}: {kind}": count for (name, kind), count in sorted(counts.items())}


def kept() -> dict[str, Any]:
    return json.loads(FILE.read_text(encoding="utf-8")) if FILE.is_file() else {}


def write(pattern: str = "*") -> None:
    names = audited_models.names()
    for name in fnmatch.filter(names, pattern):
        result = rehearsed(name)
        if not result.passed:
            sys.exit(result.render())
        table = {key: value for key, value in kept().items() if key in names}
        table[name] = summary(result)
        write_text(FILE, json.dumps(table, indent=1, sort_keys=True) + "\n")
        print(f"{name}: {sum(result.kernels.values())} nodes, {result.aclop_share:.0%} aclop")


if __name__ == "__main__":
    write(*sys.argv[1:])
