"""COCO's twelve numbers of masks beside those of boxes."""

import contextlib
import io
import json
from pathlib import Path

import numpy as np
import pytest
from pycocotools.coco import COCO

from acmix.data import rle
from acmix.data.shapes import shapes
from acmix.errors import UserError
from acmix.models.detection.mask_paste import paste_mask
from acmix.tasks.detection.average_precision import coco_numbers, evaluate
from acmix.tasks.detection.metric import COCO_NUMBERS, DetectionMetric

GOLDEN = np.load(Path(__file__).parents[1] / "golden" / "coco_segm_eval.npz")
ABOUT = json.loads(str(GOLDEN["meta"]))
SIZE = 64


def coco(tree):
    truth = COCO()
    truth.dataset = tree
    with contextlib.redirect_stdout(io.StringIO()):
        truth.createIndex()
    return truth


@pytest.mark.parametrize("kind", ["bbox", "segm"])
def test_both_kinds_equal_pycocotools_from_results_that_hold_both(kind):
    truth, results = coco(ABOUT["truth"]), ABOUT["detections"]
    assert {"bbox", "segmentation"} <= results[0].keys()
    before = json.dumps(results)
    found = evaluate(truth, results, kind, sorted(truth.imgs), sorted(truth.cats))
    np.testing.assert_allclose(found.stats, GOLDEN[f"out_{kind}"], atol=1e-6)
    assert json.dumps(results) == before


def test_names_are_mmdetection_s():
    assert coco_numbers("bbox") == COCO_NUMBERS
    assert coco_numbers("segm")[:4] == ("segm_mAP", "segm_mAP_50", "segm_mAP_75", "segm_mAP_s")
    assert len(set(coco_numbers("segm"))) == 12


def shapes_metric(count=12, spoil=lambda mask: mask):
    """Evaluate detections at the boxes of some shapes, whose masks are those of the shapes."""
    samples = shapes("val").select(range(count))
    truth = samples.ground_truth(masks=True)
    ids = [record.image_id for record in samples.records]
    metric = DetectionMetric(truth, ids, list(samples.categories), masks=True)
    for position, record in enumerate(samples.records):
        height, width, n = record.height, record.width, len(record.boxes)
        scale = np.array([2.0, 1.5], np.float32)
        masks = [truth.annToMask(one) for one in truth.imgToAnns[record.image_id]]
        small = np.stack([crop(m, box) for m, box in zip(masks, record.boxes, strict=True)])
        small = np.stack([spoil(one) for one in small])
        outputs = (
            (record.boxes * np.tile(scale, 2))[None].astype(np.float32),
            np.linspace(0.9, 0.5, n, dtype=np.float32)[None],
            record.labels[None],
            small[None].astype(np.float32),
        )
        metric.update(outputs, np.array([position]), scale[None])
        assert all(one["segmentation"]["size"] == [height, width] for one in metric.results[-n:])
    return metric


def crop(mask, box, size=112):
    """Return the part of a mask in its box at ``size`` x ``size``, each pixel the nearest one's."""
    x1, y1, x2, y2 = box.astype(int)
    rows = y1 + ((np.arange(size) + 0.5) / size * (y2 - y1)).astype(int)
    columns = x1 + ((np.arange(size) + 0.5) / size * (x2 - x1)).astype(int)
    return mask[rows][:, columns]


def test_perfect_masks_reach_one_in_images_of_another_scale_than_the_network():
    numbers = shapes_metric().compute()
    assert list(numbers) == [*coco_numbers("bbox"), *coco_numbers("segm")]
    assert numbers["bbox_mAP"] == pytest.approx(1)
    assert numbers["segm_mAP"] > 0.99
    assert numbers["segm_AR_100"] > 0.99


def test_masks_are_judged_apart_from_their_boxes():
    metric = shapes_metric(spoil=np.zeros_like)
    numbers = metric.compute()
    assert numbers["bbox_mAP"] == pytest.approx(1)
    assert numbers["segm_mAP"] == 0
    assert np.nanmax(metric.per_class("segm")) == 0
    np.testing.assert_allclose(metric.per_class(), 1)


def test_a_mask_that_is_its_whole_box_overlaps_by_its_share():
    # Circles fill 0.785 of their boxes, rectangles and triangles at any angle less.
    full = shapes_metric(spoil=np.ones_like).compute()
    assert 0 < full["segm_mAP_50"] < 1
    assert full["segm_mAP_75"] < full["segm_mAP_50"]


def one_box(masks):
    tree = {
        "info": {},
        "images": [{"id": 1, "width": SIZE, "height": SIZE}],
        "categories": [{"id": 1, "name": "a"}],
        "annotations": [
            {
                "id": 1,
                "image_id": 1,
                "category_id": 1,
                "bbox": [8, 8, 32, 32],
                "area": 1024,
                "iscrowd": 0,
                "segmentation": [[8, 8, 40, 8, 40, 40, 8, 40]],
            }
        ],
    }
    return DetectionMetric(coco(tree), [1], [1], masks=masks)


BOX = np.array([[[8, 8, 40, 40], [0, 0, 0, 0]]], np.float32)
FOUND = (BOX, np.array([[0.9, 0]], np.float32), np.array([[0, -1]], np.int32))
TARGETS = np.zeros(1, np.int32), np.ones((1, 2), np.float32)


def test_results_hold_the_mask_of_each_detection_as_rle_that_json_takes():
    metric = one_box(masks=True)
    probabilities = np.random.default_rng(0).random((1, 2, 28, 28)).astype(np.float32)
    metric.update((*FOUND, probabilities), *TARGETS)
    (result,) = json.loads(json.dumps(metric.results))
    assert result["bbox"] == [8, 8, 32, 32]
    mask = rle.read_segmentation(result["segmentation"], SIZE, SIZE, "the result")
    expected = paste_mask(probabilities[0, 0], BOX[0, 0], SIZE, SIZE)
    np.testing.assert_array_equal(rle.decode(mask, SIZE, SIZE), expected)


def test_without_masks_nothing_but_boxes_is_evaluated():
    metric = one_box(masks=False)
    metric.update(FOUND, *TARGETS)
    assert list(metric.compute()) == list(COCO_NUMBERS)
    assert "segmentation" not in metric.results[0]


def test_nothing_found_scores_zero_for_both_kinds():
    metric = one_box(masks=True)
    nothing = (BOX, np.zeros((1, 2)), np.full((1, 2), -1), np.zeros((1, 2, 28, 28)))
    metric.update(nothing, *TARGETS)
    numbers = metric.compute()
    assert metric.results == []
    assert numbers["bbox_mAP"] == numbers["segm_mAP"] == 0


def test_masks_that_are_no_numbers_are_refused():
    with pytest.raises(UserError, match="NaN or Inf"):
        one_box(masks=True).update((*FOUND, np.full((1, 2, 28, 28), np.nan)), *TARGETS)


def test_truth_and_detections_take_the_sizes_of_masks_and_not_of_boxes():
    # 32 x 32 is the border of "small"; the mask of 20 x 20 in a box of 50 x 50 is small.
    metric = one_box(masks=True)
    small = np.zeros((1, 2, 50, 50))
    small[:, :, :20, :20] = 1
    box = np.array([[[0, 0, 50, 50], [0, 0, 0, 0]]], np.float32)
    metric.update((box, *FOUND[1:], small), *TARGETS)
    (detection,) = evaluate(metric._truth, metric.results, "segm", [1], [1]).cocoDt.anns.values()
    assert detection["area"] == 400


def samples_with(segmentation, **more):
    samples = shapes("val").select([0])
    tree = json.loads(json.dumps(samples.tree()))
    tree["annotations"] = tree["annotations"][:1]
    tree["annotations"][0].update(segmentation=segmentation, **more)
    return samples.__class__(
        samples.categories, samples.records, samples.names, samples.read, lambda: tree
    )


def test_truth_has_checked_masks_as_rle():
    samples = shapes("val").select([0])
    height, width = samples.records[0].height, samples.records[0].width
    polygons = [[8, 8, 40, 8, 40, 40, 8, 40], [3, 3]]  # the second hangs or fails in pycocotools
    (one,) = samples_with(polygons).ground_truth(masks=True).anns.values()
    mask = rle.decode(rle.read_segmentation(one["segmentation"], height, width, ""), height, width)
    expected = np.zeros((height, width), np.uint8)
    expected[8:40, 8:40] = 1
    np.testing.assert_array_equal(mask, expected)


@pytest.mark.parametrize("segmentation", [None, [[1, 1, float("nan"), 1, 5, 5]], {"size": [1, 1]}])
def test_truth_without_a_usable_mask_is_refused_by_its_annotation(segmentation):
    samples = samples_with(segmentation, id=77)
    with pytest.raises(UserError, match="the annotation of id 77 of image 1"):
        samples.ground_truth(masks=True)
    assert len(samples.ground_truth().anns) == 1
