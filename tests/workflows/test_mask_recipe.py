"""Detectors with masks from configuration to picture: train, evaluate, export, predict."""

from __future__ import annotations

import json

import numpy as np
import pytest
from interrupted import check_resume
from PIL import Image

from acmix import workflows
from acmix.cli import main
from acmix.config import load_config
from acmix.data import rle
from acmix.tasks.detection.average_precision import coco_numbers
from acmix.tasks.picture_files import is_drawn

NAMES = {7: "cat", 3: "dog/house"}
WIDTH, HEIGHT = 64, 48
OUTLINE = [10, 10, 40, 12, 36, 40, 12, 36]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two images in both splits, each with an object of another class."""
    root = tmp_path_factory.mktemp("coco")
    generator = np.random.default_rng(0)
    (root / "annotations").mkdir()
    tree = {"categories": [{"id": key, "name": name} for key, name in NAMES.items()]}
    tree["images"] = [
        {"id": i, "file_name": f"{i}.png", "width": WIDTH, "height": HEIGHT} for i in (5, 6)
    ]
    tree["annotations"] = [
        {"id": i, "image_id": i, "category_id": category, "area": 700, "iscrowd": 0,
         "bbox": [10, 10, 30, 30], "segmentation": [OUTLINE]}
        for i, category in zip((5, 6), NAMES, strict=True)
    ]  # fmt: skip
    for split in ("train2017", "val2017"):
        (root / split).mkdir()
        for i in (5, 6):
            pixels = generator.integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(root / split / f"{i}.png")
        (root / "annotations" / f"instances_{split}.json").write_text(json.dumps(tree))
    return root


def config_of(folder, output, *overrides):
    """The configuration of a small network, without compilation."""
    head = (
        "channels: 8, fc_channels: 8, mask_convs: 1, mask_channels: 8, samples: 8, rpn_samples: 8, "
        "top_k: 12, training_top_k: 12, proposals: 8, training_proposals: 8"
    )
    return load_config(
        None,
        [
            "task=detection",
            "data.name=coco",
            f"data.root={folder}",
            f"output={output}",
            "model.name=resnet26",
            "model.kwargs={width: 8, depths: [1, 1], out_indices: [0, 1]}",
            "detector.name=mask_rcnn",
            f"detector.kwargs={{{head}}}",
            "detector.score_threshold=0.0",
            "detector.max_detections=5",
            "data.masks=true",
            "data.mask_size=28",
            "data.short_side=[48]",
            "data.long_side=64",
            "data.size_divisor=16",
            "data.bucket_aspects=[]",
            "data.batch_size=2",
            "data.num_workers=1",
            "runtime.mode=pynative",
            *overrides,
        ],
    )


@pytest.fixture(scope="module")
def run(folder, tmp_path_factory):
    """A run of one step; evaluation and prediction need no compilation either."""
    output = tmp_path_factory.mktemp("run") / "mask_rcnn"
    workflows.train(config_of(folder, output, "train.epochs=1"))
    return output


@pytest.fixture
def checkpoint(run):
    return str(run / "checkpoints" / "last.ckpt")


@pytest.fixture
def image(folder):
    return str(folder / "val2017" / "5.png")


def test_training_logs_every_loss_and_the_24_numbers(run):
    record = json.loads((run / "metrics.jsonl").read_text().splitlines()[-1])
    parts = ("loss_rpn_cls", "loss_rpn_box", "loss_cls", "loss_box", "loss_mask")
    assert record["loss"] == pytest.approx(sum(record[part] for part in parts), rel=1e-4)
    assert record["grad_norm"] > 0
    assert {*coco_numbers("bbox"), *coco_numbers("segm")} <= record.keys()


@pytest.mark.exhaustive
def test_a_resumed_run_is_the_uninterrupted_one_to_the_last_bit(folder, tmp_path):
    def train(output, resume):
        workflows.train(config_of(folder, output, "train.epochs=2"), resume)

    names = check_resume(train, tmp_path)
    states = {name for name in names if name.endswith("random_state")}
    assert len(states) == 2  # of the samplers of anchors and of proposals


def test_eval_prints_24_numbers_and_writes_masks_as_rle(run, checkpoint, tmp_path, capsys):
    report, results = tmp_path / "report.json", tmp_path / "results.json"
    arguments = ["--json", str(report), "--results", str(results), "--per-class"]
    assert main(["eval", str(run / "config.yaml"), "--checkpoint", checkpoint, *arguments]) == 0
    printed = capsys.readouterr().out
    for name in (*coco_numbers("bbox"), *coco_numbers("segm")):
        assert f"{name} " in printed
    content = json.loads(report.read_text())
    assert content["per_class"].keys() == content["per_class_segm"].keys() == set(NAMES.values())
    found = json.loads(results.read_text())
    assert len(found) == 2 * 5
    for one in found:
        counts = rle.read_segmentation(one["segmentation"], HEIGHT, WIDTH, "a result")
        assert rle.decode(counts, HEIGHT, WIDTH).shape == (HEIGHT, WIDTH)


def test_predict_writes_masks_on_the_picture_as_rle_and_one_by_one(
    checkpoint, image, tmp_path, capsys
):
    out = tmp_path / "out"
    options = ["--output", str(out), "--masks", "--score", "0"]
    assert main(["predict", checkpoint, image, *options]) == 0
    assert f"Wrote 1 pictures, masks and predictions.json into {out}" in capsys.readouterr().out
    (entry,) = json.loads((out / "predictions.json").read_text())
    assert len(entry["objects"]) == 5
    files = sorted((out / "masks" / "5").iterdir())
    names = [one["class"].replace("/", "_") for one in entry["objects"]]
    assert [file.name for file in files] == [f"{i}_{name}.png" for i, name in enumerate(names, 1)]
    for file, one in zip(files, entry["objects"], strict=True):
        mask = np.asarray(Image.open(file))
        counts = rle.read_segmentation(one["segmentation"], HEIGHT, WIDTH, "an object")
        np.testing.assert_array_equal(mask, 255 * rle.decode(counts, HEIGHT, WIDTH))
        assert is_drawn(file)
    assert Image.open(out / "5.png").size == (5 * WIDTH, 5 * HEIGHT)  # small images are enlarged


@pytest.mark.exhaustive
@pytest.mark.parametrize("format", ["mindir", pytest.param("onnx", marks=pytest.mark.onnx)])
def test_exported_file_finds_the_masks_that_the_checkpoint_finds(
    run, checkpoint, image, format, tmp_path, capsys
):
    exported = tmp_path / f"net.{format}"
    arguments = ["--format", format, "--output", str(exported), "--checkpoint", checkpoint]
    assert main(["export", str(run / "config.yaml"), *arguments]) == 0
    assert "verified" in capsys.readouterr().out
    sidecar = json.loads((tmp_path / f"net.{format}.json").read_text())
    assert sidecar["model"] == "mask_rcnn_resnet26"
    assert sidecar["input_shape"] == [1, 3, HEIGHT, WIDTH]
    assert sidecar["post_process"] == {}
    (found,) = workflows.predict(exported, [image])
    (expected,) = workflows.predict(checkpoint, [image])
    assert found.classes == expected.classes
    assert len(found.boxes) == 5
    np.testing.assert_allclose(found.scores, expected.scores, atol=1e-5)
    np.testing.assert_allclose(found.boxes, expected.boxes, atol=1e-2)
    np.testing.assert_allclose(found.masks, expected.masks, atol=1e-4)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["train", "{config}", "data.masks=false", "output={tmp}/a"],
            "data.masks=false: detector.name=mask_rcnn learns masks, too; set data.masks to true.",
        ),
        (
            ["train", "{config}", "detector.name=retinanet", "detector.kwargs={{}}",
             "output={tmp}/a"],
            "data.masks=true: detector.name=retinanet learns boxes alone; set data.masks to false.",
        ),
        (
            ["export", "{config}", "--checkpoint", "{ckpt}", "--format", "onnx",
             "--output", "{tmp}/a.onnx", "--dynamic-batch"],
            "dynamic_batch: post-processing of detectors takes a fixed number of images; set "
            "--batch-size, or leave post-processing out with --raw",
        ),
        (
            ["export", "{config}", "--checkpoint", "{ckpt}", "--format", "mindir", "--raw",
             "--output", "{tmp}/a.mindir"],
            "raw: mask_rcnn_resnet26 cannot be exported without post-processing: it suppresses "
            "boxes in its midst; leave --raw out",
        ),
        (["predict", "{ckpt}", "{image}", "--masks"], "--masks needs --output DIR"),
    ],
    ids=["no-masks", "needless-masks", "open-batch", "raw", "nowhere"],
)  # fmt: skip
def test_mistakes_with_masks_are_one_line(
    run, checkpoint, image, arguments, message, tmp_path, capsys
):
    filled = {"config": run / "config.yaml", "ckpt": checkpoint, "tmp": tmp_path, "image": image}
    assert main([argument.format(**filled) for argument in arguments]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert len(error.strip().splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_objects_of_a_low_score_are_in_no_picture_table_or_list_unless_asked_for(
    checkpoint, image, tmp_path, capsys
):
    (found,) = workflows.predict(checkpoint, [image])
    scores = sorted(found.scores.tolist(), reverse=True)
    limit = (scores[0] + scores[-1]) / 2
    kept = sum(score >= limit for score in scores)
    call = ["predict", checkpoint, image, "--score", str(limit), "--masks"]
    for options, count in (([], kept), (["--all"], 5)):
        out, table = tmp_path / f"out{count}", tmp_path / f"{count}.csv"
        files = ["--output", str(out), "--csv", str(table)]
        assert main([*call, *options, *files]) == 0
        assert f"{5 - kept} of lower scores not shown" in capsys.readouterr().out
        (entry,) = json.loads((out / "predictions.json").read_text())
        assert [one["score"] for one in entry["objects"]] == pytest.approx(scores[:count])
        assert len(list((out / "masks" / "5").iterdir())) == kept
        rows = table.read_text().splitlines()
        assert rows[0] == "image,class,score,x1,y1,x2,y2"
        assert len(rows) == 1 + count
