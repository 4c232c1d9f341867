"""The kernels that MindSpore chooses on Ascend for every architecture, kept in docs/ascend/kernels.

``python tests/rehearsed_models.py [inference|training] [pattern]`` writes a file anew; look at the
difference before you commit it. Models are those of tests/audited_models.py. Inference is the graph
that ``acmix export --target ascend`` writes; training is one step, with what sets it up. Each runs
once at jit_level O0 on the stand-in device, which computes nothing. A forward takes about ten
seconds, a step a minute or more.
"""

from __future__ import annotations

import fnmatch
import json
import os
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

os.environ.setdefault("GLOG_v", "3")

import audited_models
import mindspore as ms
import numpy as np

from acmix.export.checked_mindir import write_mindir
from acmix.export.fusion import fuse
from acmix.tasks import get_task
from acmix.tools.rehearsal.rehearse import rehearse
from acmix.tools.rehearsal.report import Rehearsal
from acmix.tools.training_step import configured_step
from acmix.utils.files import write_text
from acmix.utils.modes import built_for
from acmix.workflows.runs import build_model

FOLDER = audited_models.FOLDER / "kernels"
FORWARD = Path(__file__).parent / "tools" / "rehearsal" / "forward.py"
KINDS = ("inference", "training")
_STEP = "--step"  # in the rehearsed process


def names(kind: str) -> list[str]:
    """Return the models of a table: all, and one for training, which takes a minute or more."""
    return audited_models.names() if kind == "inference" else ["acmix_resnet26"]


def rehearsed(name: str, kind: str) -> Rehearsal:
    if kind == "training":
        return rehearse(__file__, [_STEP, name], jit_level="O0", computes=False)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "net.mindir"
        export(name, file)
        return rehearse(
            str(FORWARD), [str(file), *map(str, shape_of(name))], jit_level="O0", computes=False
        )


def shape_of(name: str) -> tuple[int, ...]:
    config = audited_models.config(name)
    channels, *size = get_task(config.task).image_shape(config)
    dense = name in (*audited_models.DETECTORS, *audited_models.SEGMENTERS)
    return (2, channels, *((160, 224) if dense else size))


def export(name: str, file: Path) -> None:
    """Write the inference form, built for Ascend on the host."""
    config = audited_models.config(name)
    with built_for("Ascend"):
        form = fuse(build_model(config, config.model.num_classes))
        network = get_task(config.task).deployed(form)
        write_mindir(network, ms.Tensor(shape=shape_of(name), dtype=ms.float32), file)


def step(name: str) -> None:
    """Make and run a training step; its device is the stand-in."""
    ms.set_context(mode=ms.GRAPH_MODE)
    config = audited_models.config(name)
    classes, shape = config.model.num_classes, shape_of(name)
    network = configured_step(config, build_model(config, classes)).as_cell()
    targets = get_task(config.task).target_specs(config, shape, classes)
    images = ms.Tensor(np.zeros(shape, np.float32))
    network(images, *(ms.Tensor(np.zeros(one.shape), one.dtype) for one in targets))


def summary(result: Rehearsal) -> dict[str, Any]:
    """Return what is kept of a rehearsal: numbers of nodes and of launches."""
    return {
        "nodes": lines(result.kernels),
        "launches": lines({(name, kind): n for (kind, name), n in result.calls.items()}),
    }


def lines(counts: Mapping[tuple[str, str], int]) -> dict[str, int]:
    return {f"{name}: {kind}": count for (name, kind), count in sorted(counts.items())}


def file_of(kind: str) -> Path:
    return FOLDER / f"{kind}_o0.json"


def kept(kind: str) -> dict[str, Any]:
    file = file_of(kind)
    return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}


def write(kind: str, pattern: str) -> None:
    known = names(kind)
    for name in fnmatch.filter(known, pattern):
        result = rehearsed(name, kind)
        if not result.passed:
            sys.exit(result.render())
        table = {key: value for key, value in kept(kind).items() if key in known}
        table[name] = summary(result)
        write_text(file_of(kind), json.dumps(table, indent=1, sort_keys=True) + "\n")
        nodes = sum(result.kernels.values())
        print(f"{name} {kind}: {nodes} nodes, {result.aclop_share:.0%} aclop", flush=True)


if __name__ == "__main__":
    words = sys.argv[1:]
    if words[:1] == [_STEP]:
        step(words[1])
    else:
        chosen = [word for word in words if word in KINDS]
        patterns = [word for word in words if word not in KINDS]
        for kind in chosen or KINDS:
            write(kind, *(patterns or ["*"]))
