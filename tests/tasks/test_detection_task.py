"""COCO's average precision on cases worked out by hand, by the metric that evaluation uses."""

import contextlib
import io

import numpy as np
import pytest
from pycocotools.coco import COCO

from acmix.errors import UserError
from acmix.tasks.detection.metric import COCO_NUMBERS, DetectionMetric

CATEGORY_IDS = (3, 17)
IMAGE_IDS = (42, 7)


def ground_truth(*objects):
    """Make COCO's ground truth of two images of 200 x 100; objects are (image, category, xywh)."""
    coco = COCO()
    coco.dataset = {
        "info": {},
        "images": [{"id": i, "width": 200, "height": 100} for i in IMAGE_IDS],
        "categories": [{"id": i, "name": str(i)} for i in CATEGORY_IDS],
        "annotations": [
            {
                "id": number,
                "image_id": image,
                "category_id": category,
                "bbox": list(box),
                "area": box[2] * box[3],
                "iscrowd": int(crowd),
            }
            for number, (image, category, box, *crowd_flag) in enumerate(objects, start=1)
            for crowd in [bool(crowd_flag)]
        ],
    }
    with contextlib.redirect_stdout(io.StringIO()):
        coco.createIndex()
    return coco


def outputs(*images, size=4):
    """Pad each image's detections, (label, score, xyxy), as a detector's graph does."""
    boxes = np.zeros((len(images), size, 4), np.float32)
    scores = np.zeros((len(images), size), np.float32)
    labels = np.full((len(images), size), -1, np.int32)
    for i, detections in enumerate(images):
        for j, (label, score, box) in enumerate(detections):
            labels[i, j], scores[i, j], boxes[i, j] = label, score, box
    return boxes, scores, labels


def evaluate(truth, *images, scale=(1.0, 1.0)):
    metric = DetectionMetric(truth, IMAGE_IDS, CATEGORY_IDS)
    index = np.arange(len(images), dtype=np.int32)
    metric.update(outputs(*images), index, np.tile(np.float32(scale), (len(images), 1)))
    return metric


BOX = (10, 20, 40, 40)  # 1600 pixels: medium
CORNERS = (10, 20, 50, 60)


def test_perfect_detections_have_precision_and_recall_of_one():
    truth = ground_truth((42, 3, BOX), (7, 17, (0, 0, 120, 90)))
    numbers = evaluate(truth, [(0, 0.9, CORNERS)], [(1, 0.4, (0, 0, 120, 90))]).compute()
    assert list(numbers) == list(COCO_NUMBERS)
    expected = dict.fromkeys(COCO_NUMBERS, 1.0) | {"bbox_mAP_s": -1.0, "bbox_AR_s": -1.0}
    assert numbers == pytest.approx(expected)


def test_a_detection_counts_at_the_thresholds_below_its_overlap():
    # 40 x 40 against its left 40 x 25: IoU 0.625, above 0.5, 0.55 and 0.6 of the ten thresholds.
    truth = ground_truth((42, 3, BOX), (7, 3, BOX))
    found = [(0, 0.9, (10, 20, 50, 45))]
    numbers = evaluate(truth, found, found).compute()
    assert numbers["bbox_mAP_50"] == pytest.approx(1)
    assert numbers["bbox_mAP_75"] == 0
    assert numbers["bbox_mAP"] == pytest.approx(0.3)


def test_a_better_scored_false_positive_halves_the_precision():
    wrong = (0, 0.9, (100, 0, 160, 50))
    numbers = evaluate(ground_truth((42, 3, BOX)), [wrong, (0, 0.5, CORNERS)], []).compute()
    assert numbers["bbox_mAP"] == pytest.approx(0.5)
    assert numbers["bbox_AR_1"] == 0  # the best detection alone misses
    assert numbers["bbox_AR_10"] == pytest.approx(1)


def test_of_two_objects_the_one_missed_costs_half_of_the_recall():
    truth = ground_truth((42, 3, BOX), (42, 3, (100, 20, 40, 40)))
    numbers = evaluate(truth, [(0, 0.9, CORNERS)], []).compute()
    assert numbers["bbox_AR_100"] == pytest.approx(0.5)
    assert numbers["bbox_mAP"] == pytest.approx(51 / 101)  # recalls 0, 0.01 .. 0.5 of 101


def test_a_detection_in_a_crowd_is_neither_right_nor_wrong():
    crowd = (42, 3, (100, 0, 100, 100), "crowd")
    in_crowd = (0, 0.95, (110, 10, 150, 50))
    truth = ground_truth((42, 3, BOX), crowd)
    assert evaluate(truth, [in_crowd, (0, 0.9, CORNERS)], []).compute()["bbox_mAP"] == (
        pytest.approx(1)
    )


def test_boxes_return_to_the_image_by_its_scale_and_end_at_its_border():
    metric = evaluate(ground_truth((42, 17, BOX)), [(1, 0.5, (20, 50, 450, 120))], scale=(2, 2.5))
    assert metric.results == [
        {"image_id": 42, "category_id": 17, "bbox": [10.0, 20.0, 190.0, 28.0], "score": 0.5}
    ]


def test_nothing_found_scores_zero_and_every_image_counts():
    metric = evaluate(ground_truth((42, 3, BOX)), [], [])
    numbers = metric.compute()
    assert numbers["bbox_mAP"] == numbers["bbox_AR_100"] == 0
    assert metric.results == []


def test_precision_by_class_is_not_a_number_for_a_class_without_objects():
    per_class = evaluate(ground_truth((42, 17, BOX)), [(1, 0.9, CORNERS)], []).per_class()
    assert np.isnan(per_class[0])
    assert per_class[1] == pytest.approx(1)


def test_padded_images_and_classes_the_data_does_not_have_are_left_out():
    metric = DetectionMetric(ground_truth((42, 3, BOX)), IMAGE_IDS, CATEGORY_IDS)
    found = outputs([(0, 0.9, CORNERS), (2, 0.9, CORNERS)], [(0, 0.9, CORNERS)])
    metric.update(found, np.array([0, -1], np.int32), np.ones((2, 2), np.float32))
    assert [result["image_id"] for result in metric.results] == [42]
    assert metric.compute()["bbox_mAP"] == pytest.approx(1)


def test_a_diverged_network_and_an_empty_evaluation_are_refused():
    metric = DetectionMetric(ground_truth((42, 3, BOX)), IMAGE_IDS, CATEGORY_IDS)
    with pytest.raises(UserError, match="no image to evaluate"):
        metric.compute()
    boxes, scores, labels = outputs([(0, np.nan, CORNERS)])
    with pytest.raises(UserError, match="NaN or Inf"):
        metric.update((boxes, scores, labels), np.zeros(1, np.int32), np.ones((1, 2), np.float32))
