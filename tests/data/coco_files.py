"""Makes tiny data sets of COCO's form for the tests of acmix.data."""

from __future__ import annotations

import json

from image_files import encode, pattern

from acmix.config import DetectionDataConfig

CATEGORIES = [{"id": 7, "name": "cat"}, {"id": 3, "name": "dog"}]


def annotation(image_id, bbox, category_id=3, **further):
    return {"image_id": image_id, "category_id": category_id, "bbox": list(bbox)} | further


def coco_tree(sizes, annotations, categories=CATEGORIES):
    """``sizes``: (width, height) by image id; ids of annotations are added."""
    return {
        "images": [
            {"id": i, "file_name": f"{i:04}.png", "width": width, "height": height}
            for i, (width, height) in sizes.items()
        ],
        "annotations": [{"id": n} | one for n, one in enumerate(annotations, start=1)],
        "categories": categories,
    }


def write_split(root, tree, split="train2017", images=True):
    """Write the annotations of a split and, with ``images``, a picture for each entry."""
    (root / "annotations").mkdir(parents=True, exist_ok=True)
    (root / "annotations" / f"instances_{split}.json").write_text(json.dumps(tree))
    if images:
        (root / split).mkdir(exist_ok=True)
        for entry in tree["images"]:
            pixels = pattern(entry["height"], entry["width"], seed=entry["id"])
            (root / split / entry["file_name"]).write_bytes(encode(pixels))
    return root


def detection_config(root, **changes) -> DetectionDataConfig:
    settings = {
        "name": "coco",
        "root": None if root is None else str(root),
        "short_side": (32,),
        "long_side": 64,
        "size_divisor": 8,
        "batch_size": 2,
        "num_workers": 1,
        "max_boxes": 4,
        "interpolation": "bilinear",
    }
    return DetectionDataConfig(**(settings | changes))
