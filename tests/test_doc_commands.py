"""Every acmix command of README and docs runs as it stands, on small networks and data.

A document's commands run one after the other in one folder, which has what they name. Networks are
small under their own names. What other tests run is not run again, see ``ELSEWHERE``; the commands
of docs/finetune.md have a module of their own.
"""

from __future__ import annotations

import json
import os
import re
import shlex
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import mindspore as ms
import numpy as np
import pytest
from data.image_files import encode, make_folder, pattern
from export.random_weights import draw_anew
from tasks.small_segmentation import make_run as make_segmenter
from test_docs import DOCUMENTS, ROOT, by_name, code_lines
from torch_files import Files
from workplace import make_workplace

from acmix.cli import main
from acmix.config import load_config
from acmix.convert import torch_state, write_state
from acmix.models.registry import MODELS
from acmix.tasks import task_of_network
from acmix.workflows.runs import build_model
from acmix.workflows.weights import save_model

ELSEWHERE = {
    r"^rehearse ": "tests/tools/rehearsal",
    r"^check-ascend ": "tests/tools/ascend_check/test_check_ascend.py",
    r"^bench scaling ": "tests/tools/bench/test_scaling.py",
    r"^plan ": "tests/tools/plan",
    r"^train .* profile=true": "tests/engine/test_profile.py",
    r"^audit .*--training": "tests/tools/audit/test_auditing.py",
    r"^train configs/detection/": "tests/workflows/test_detection_configs.py",
    r"^train configs/segmentation/": "tests/workflows/test_segmentation_configs.py",
    r"^train configs/classification/cifar10": "tests/data/test_cifar.py",
}
"""Commands that other tests run, by the beginning."""

STANDS_FOR = {
    "CONFIG": "config.yaml", "CKPT": "runs/NAME/checkpoints/best.ckpt", "FOLDER": "animals",
    "/data/imagenet_mindrecord": "records", "/data/imagenet": "animals",
}  # fmt: skip
TASKS = {"detection.md": "detection", "segmentation.md": "segmentation"}
"""Task of what a document calls CONFIG, CKPT and runs/NAME; the others classify."""

SHORT = {
    "train": (
        "train.epochs=1", "train.steps=2", "schedule.warmup_epochs=0", "data.image_size=32",
        "data.batch_size=4", "data.num_workers=1", "runtime.mode=pynative",
    ),
    "bench models": ("--warmup", "1", "--repeats", "1", "--input-size", "32"),
    "bench data": ("data.image_size=32", "data.batch_size=4", "--seconds", "0.2"),
}  # fmt: skip
"""What is added to commands, so that they take seconds."""

SMALL_PVT = {"embed_dims": (8, 8, 8, 16), "depths": (1, 1, 1, 1), "num_heads": (1, 1, 1, 2)}
PUBLIC_FILES = {
    "swin.pth": ("swin_tiny",),
    "swin_tiny_patch4_window7_224.pth": ("swin_tiny",),
    "upernet_swin.pth": ("upernet_swin_tiny", "model.kwargs.mask_padding=false"),
    "mask_rcnn_swin.pth": ("mask_rcnn_swin_tiny", "model.kwargs.mask_padding=false"),
    "maskrcnn_resnet50_fpn_coco-bf2d0c1e.pth": ("mask_rcnn_resnet50",),
}
DETECTOR = (
    "task=detection", "data.name=shapes", "data.short_side=[32]", "data.long_side=32",
    "data.bucket_aspects=[]", "detector.kwargs={channels: 8, num_levels: 3, num_convs: 1}",
    "model.name=resnet26", "model.kwargs={width: 8}", "runtime.mode=pynative",
)  # fmt: skip


def commands(document: Path) -> list[list[str]]:
    """Return the arguments of the commands that this module runs."""
    lines = [re.sub(r"\s+#.*$", "", line) for line in code_lines(document)]
    called = [line.removeprefix("acmix ") for line in lines if line.startswith("acmix ")]
    return [
        shlex.split(line)
        for line in called
        if not any(re.search(pattern, line) for pattern in ELSEWHERE)
        and not re.search(r"\.\.\.|\[|COMMAND|<", line)
    ]


def runnable(arguments: list[str]) -> list[str]:
    """Return arguments with names of this folder, and what makes the command short."""
    found = []
    for argument in arguments:
        key, equals, value = argument.rpartition("=")
        found.append(key + equals + STANDS_FOR.get(value, value))
    first = " ".join(found[: 2 if found[0] == "bench" else 1])
    return [*found, *SHORT.get(first, ())]


@pytest.fixture
def folder(tmp_path, monkeypatch, request):
    """Enter a folder with all that the document names."""
    make_workplace(tmp_path, monkeypatch)
    for name, changes in (("acmix_pvt_tiny", SMALL_PVT), ("resnet50", {"width": 8})):
        entry = MODELS[name]
        small = replace(entry, arguments={**entry.arguments, **changes})
        monkeypatch.setitem(MODELS._entries, name, small)
    Path("configs").symlink_to(ROOT / "configs")
    for name in ("dog.jpg", "image.jpg", "street.jpg", "photo.jpg"):
        Path(name).write_bytes(Path("cat.jpg").read_bytes())
    for name in ("photos/a.jpg", "more/deep/b.jpg", "street/a.jpg"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_bytes(encode(pattern(30, 40), "JPEG"))
    Path("list.txt").write_text("cat.jpg\n")
    make_folder(Path("animals-more"), size=(32, 40))
    document = request.node.callspec.params["document"]
    text = document.read_text(encoding="utf-8")
    _MAKE[TASKS.get(document.name, "classification")](text)
    _make_public_files(text)


def _make_public_files(text: str) -> None:
    """Write weights under the names of public files; what a file is, its content says."""
    for name, (network, *changes) in PUBLIC_FILES.items():
        if name in text:
            classes = 80 if "coco" in name else 2
            write_state(_random_state(network, *changes, num_classes=classes), "a.safetensors")
            os.rename("a.safetensors", name)
    os.remove("swin_tiny.safetensors")


def _make_file_of_several_sets(name: str, keys: tuple[str, ...]) -> None:
    state, file = _random_state("swin_tiny", num_classes=2), Files()
    Path(name).write_bytes(file.archive({key: file.tensors(state) for key in keys}))


def _make_classifier(text: str) -> None:
    keys = [
        "model.name=acmix_swin_tiny", "data.name=image_folder", "data.root=animals",
        "data.image_size=32", "data.batch_size=4", "data.num_workers=1",
        "runtime.mode=pynative", "output=runs/fresh",
    ]  # fmt: skip
    Path("config.yaml").write_text(load_config(None, keys).to_yaml(), encoding="utf-8")
    if any(name in text for name in ("runs/NAME", "CKPT", "net.mindir")):
        short = ("train.epochs=1", "train.steps=2", "schedule.warmup_epochs=0")
        assert main(["train", "config.yaml", "output=runs/NAME", *short]) == 0
    if "net.mindir" in text and "--output net.mindir" not in text:
        export = "export config.yaml --format mindir --output net.mindir --checkpoint runs/NAME"
        assert main(export.split()) == 0


def _make_detector(text: str) -> None:
    config = load_config(None, [*DETECTOR, "output=runs/NAME"])
    _write_run(config, "runs/NAME", ("circle", "rectangle", "triangle"))
    _write_run(config, "runs/shapes_retinanet_acmix_resnet", ("circle", "rectangle", "triangle"))


def _make_segmenter(text: str) -> None:
    run = make_segmenter(Path("made"), "runtime.mode=pynative")
    Path("runs").mkdir()
    run.checkpoint.parent.parent.rename("runs/NAME")
    Path("config.yaml").write_bytes(Path("runs/NAME/config.yaml").read_bytes())


def _write_run(config, folder, classes) -> None:
    root = Path(folder)
    (root / "checkpoints").mkdir(parents=True)
    (root / "config.yaml").write_text(config.to_yaml(), encoding="utf-8")
    (root / "classes.json").write_text(json.dumps(classes))
    model = draw_anew(build_model(config, len(classes)), np.random.default_rng(0))
    save_model(model, root / "checkpoints" / "best.ckpt")


def _random_state(name: str, *overrides: str, num_classes: int = 5):
    config = task_of_network(name).network_config(name, overrides)
    return torch_state(draw_anew(build_model(config, num_classes), np.random.default_rng(0)))


_MAKE = {
    "classification": _make_classifier,
    "detection": _make_detector,
    "segmentation": _make_segmenter,
}
WITH_COMMANDS = [path for path in DOCUMENTS if commands(path) and path.name != "finetune.md"]


@pytest.mark.exhaustive
@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("document", WITH_COMMANDS, ids=by_name)
def test_commands_run(document, capsys):
    failed = {}
    for arguments in map(runnable, commands(document)):
        if "onnx" in arguments and not find_spec("onnxruntime"):
            continue
        ms.set_context(mode=ms.PYNATIVE_MODE)
        if "--key" in arguments:
            _make_file_of_several_sets(
                "swin.pth", ("model", arguments[arguments.index("--key") + 1])
            )
        try:
            code = main(arguments)
        except SystemExit as stop:
            code = stop.code
        if code:
            failed[shlex.join(arguments)] = capsys.readouterr().err[-500:]
    assert not failed


def test_what_runs_elsewhere_exists():
    assert all((ROOT / path).exists() for path in ELSEWHERE.values())
    assert sum(len(commands(path)) for path in WITH_COMMANDS) > 30
