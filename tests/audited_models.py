"""The graphs whose inventories are kept under docs/ascend, a file per family.

``python tests/audited_models.py [pattern]`` writes them anew; look at the difference before you
commit it. Models are as small as in tests/models/shrunk.py, one name for each architecture; images
are of the usual size, as the formulations depend on it.
"""

from __future__ import annotations

import fnmatch
import os
import sys
from pathlib import Path

os.environ.setdefault("GLOG_v", "3")

from models import shrunk

from acmix.config import (
    ClassificationConfig,
    ClassificationDataConfig,
    Config,
    DetectionConfig,
    DetectionDataConfig,
    DetectorConfig,
    ModelConfig,
    OptimConfig,
    SegmentationConfig,
    SegmentationDataConfig,
    SegmenterConfig,
    TrainConfig,
)
from acmix.models.registry import model_entry, split_name
from acmix.tools.audit.audit import audit_config
from acmix.tools.audit.inventory import Inventory
from acmix.tools.audit.report import Audit
from acmix.utils.files import write_text

FOLDER = Path(__file__).parent.parent / "docs" / "ascend"
DETECTORS = (
    "retinanet_resnet26",
    "retinanet_pvt_tiny",
    "mask_rcnn_acmix_swin_tiny",
    "cascade_mask_rcnn_resnet26",
)
SEGMENTERS = ("semantic_fpn_acmix_pvt_tiny", "upernet_acmix_swin_tiny")
HEADED = (*DETECTORS, *SEGMENTERS)
# Of operators with a convolution path of its own for Ascend, and of every head: for tests that are
# too slow for all.
FEW = ("acmix_swin_base", "acmix_resnet26", *HEADED)
_SMALL_HEADS = {
    "retinanet": {"channels": 16, "num_convs": 1},
    "mask_rcnn": {"channels": 16, "fc_channels": 16, "mask_convs": 1, "mask_channels": 16},
    "cascade_mask_rcnn": {
        "channels": 16,
        "box_convs": 1,
        "fc_channels": 16,
        "mask_convs": 1,
        "mask_channels": 16,
    },
    "semantic_fpn": {"neck_channels": 16, "channels": 16},
    "upernet": {"channels": 16, "auxiliary_channels": 16},
}
# Mixed precision with a dynamic scale, clipping and AdamW: all that a step can have in it.
TRAINING = {"optim": OptimConfig(clip_norm=5.0), "train": TrainConfig(amp="O2")}


def names() -> list[str]:
    return [*shrunk.distinct_models(), *HEADED]


def representatives() -> list[str]:
    """Those that tests run; the others hold nothing that these do not."""
    return [*shrunk.representatives(), *HEADED]


def family(name: str) -> str:
    if name in SEGMENTERS:
        return "segmentation"
    if name in DETECTORS:
        return "detection" if name.startswith("retinanet") else "masks"
    return model_entry(name).cls.__name__.lower()


def file_of(name: str) -> Path:
    return FOLDER / f"{family(name)}.json"


def config(name: str, **changes) -> Config:
    if name in DETECTORS:
        return detection_config(name, **changes)
    if name in SEGMENTERS:
        return segmentation_config(name, **changes)
    kwargs = {**shrunk.arguments(name), **changes}
    model = ModelConfig(name=name, num_classes=10, drop_path_rate=0.1, kwargs=kwargs)
    return ClassificationConfig(
        model=model, data=ClassificationDataConfig(image_size=224), **TRAINING
    )


def detection_config(name: str, **changes) -> DetectionConfig:
    head, body = split_name("detectors", name)
    kwargs = {**shrunk.arguments(body), **changes}
    own = dict(_SMALL_HEADS[head])
    one_stage = head == "retinanet"
    levels = min(3 if one_stage else 4, len(kwargs["depths"]))
    kwargs["out_indices"] = tuple(range(-levels, 0))
    if one_stage:
        own["num_levels"] = levels + 1
    return DetectionConfig(
        model=ModelConfig(name=body, num_classes=10, kwargs=kwargs),
        detector=DetectorConfig(name=head, kwargs=own),
        data=DetectionDataConfig(masks=not one_stage),
        **TRAINING,
    )


def segmentation_config(name: str, **changes) -> SegmentationConfig:
    """Those of the recipes: Swin pads its windows without a mask."""
    head, body = split_name("segmenters", name)
    kwargs = {**shrunk.arguments(body), **changes}
    kwargs["out_indices"] = tuple(range(len(kwargs["depths"])))
    if head == "upernet":
        kwargs["mask_padding"] = False
    return SegmentationConfig(
        model=ModelConfig(name=body, num_classes=10, drop_path_rate=0.1, kwargs=kwargs),
        segmenter=SegmenterConfig(name=head, kwargs=_SMALL_HEADS[head]),
        data=SegmentationDataConfig(),
        **TRAINING,
    )


def audited(name: str, kind: str) -> Audit:
    """Audit the graph for ``inference``, or the step of ``training``."""
    size = (160, 224) if name in HEADED else None
    return audit_config(config(name), training=kind == "training", batch_size=2, input_size=size)


def write(pattern: str = "*") -> None:
    for file in {file_of(name) for name in names()}:
        kept = Inventory.load(file).graphs if file.is_file() else {}
        mine = [name for name in names() if file_of(name) == file]
        graphs = {key: value for key, value in kept.items() if key.split()[0] in mine}
        for name in fnmatch.filter(mine, pattern):
            audits = {f"{name} {kind}": audited(name, kind) for kind in ("inference", "training")}
            graphs.update(Inventory.of(audits).graphs)
            print(name, flush=True)
        write_text(file, Inventory(graphs).to_json())


if __name__ == "__main__":
    write(*sys.argv[1:])
