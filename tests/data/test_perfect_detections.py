"""Detections that equal the boxes of the data set reach 1, whatever its annotations hold."""

from __future__ import annotations

import json

import numpy as np
import pytest
from coco_files import annotation, coco_tree, detection_config, write_split

from acmix.data import create_dataset
from acmix.tasks import get_task
from acmix.tasks.detection.metric import DetectionMetric
from acmix.utils.json_text import to_json

SIZES = {1: (64, 48), 2: (48, 64), 3: (40, 40)}
BOXES = [annotation(i, (5, 6, 20, 15), category) for i in SIZES for category in (3, 7)]


def perfect(root):
    """Return the data set, and the metric after detecting exactly its boxes."""
    data = create_dataset(detection_config(root), "val", seed=0)
    metric = DetectionMetric(data.ground_truth, data.image_ids, data.category_ids)
    for _, _, index, scale in data.epoch(0):
        shape = len(index), 8
        boxes, scores, labels = np.zeros((*shape, 4)), np.zeros(shape), np.full(shape, -1)
        for row, position in enumerate(index):
            if position >= 0:
                record = data._samples.records[position]
                count = len(record.boxes)
                boxes[row, :count] = record.boxes * np.tile(scale[row], 2)
                scores[row, :count], labels[row, :count] = 0.9, record.labels
        metric.update((boxes, scores, labels), index, scale)
    return data, metric


CASES = {
    "plain": {},
    "without area": {"boxes": [annotation(1, (5, 6, 0, 0)), annotation(2, (5, 6, 9, 0), 7)]},
    "outside": {"boxes": [annotation(1, (70, 60, 5, 5)), annotation(2, (-9, 3, 9, 5))]},
    "across the border": {"boxes": [annotation(1, (50, 30, 100, 100), 7, area=10_000)]},
    "a crowd": {"boxes": [annotation(3, (0, 0, 40, 40), iscrowd=1)]},
    "an image without boxes": {"sizes": {4: (32, 32)}},
    "a category without boxes": {"categories": [{"id": 5, "name": "fox"}]},
    "ids that are not positions": {"ids": {1: 900, 2: 0, 3: -4}},
    "ids that are texts": {"ids": {1: "b", 2: "a", 3: "c.jpg"}},
    "ids of 2^53 - 1": {"ids": {1: 2**53 - 1, 2: 2**53 - 2, 3: 1}},
}


def write(root, boxes=(), sizes=(), categories=(), ids=None, names=("cat", "dog")):
    known = [{"id": 7, "name": names[0]}, {"id": 3, "name": names[1]}]
    tree = coco_tree(SIZES | dict(sizes), [*BOXES, *boxes], [*known, *categories])
    write_split(root, tree, "val2017")
    if ids:
        for image in tree["images"]:
            image["id"] = ids[image["id"]]
        for one in tree["annotations"]:
            one["image_id"] = ids[one["image_id"]]
        write_split(root, tree, "val2017", images=False)
    return root


@pytest.mark.parametrize("case", CASES)
def test_perfect_detections_reach_one(tmp_path, case):
    data, metric = perfect(write(tmp_path, **CASES[case]))
    assert metric.compute()["bbox_mAP"] == 1
    assert {result["image_id"] for result in metric.results} <= set(data.image_ids)


def test_numbers_of_classes_are_json_with_a_row_for_each_category(tmp_path):
    """Two categories of one name stay two rows, and one without objects has no number."""
    data, metric = perfect(
        write(tmp_path, names=("cat", "cat"), **CASES["a category without boxes"])
    )
    report = get_task("detection").report(metric, data.classes)
    numbers = json.loads(to_json(report), parse_constant=lambda name: pytest.fail(name))
    assert numbers["per_class"] == {"cat (id 3)": 1, "fox": None, "cat (id 7)": 1}
