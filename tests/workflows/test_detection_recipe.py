"""Detectors from configuration to picture: train, evaluate, export, predict, start from weights."""

from __future__ import annotations

import json

import mindspore as ms
import numpy as np
import pytest
from models.shrunk import arguments, shallow
from PIL import Image

from acmix import create_model, workflows
from acmix.cli import main
from acmix.config import load_config
from acmix.errors import UserError
from acmix.tasks import get_task
from acmix.utils.parameters import get_value, set_value
from acmix.workflows.pretrained import load_pretrained
from acmix.workflows.runs import build_model
from acmix.workflows.weights import load_model, save_model

NAMES = {7: "cat", 3: "dog"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Four training and three validation images, upright and lying, each with one object."""
    root = tmp_path_factory.mktemp("coco")
    generator = np.random.default_rng(0)
    (root / "annotations").mkdir()
    for split, count in (("train2017", 4), ("val2017", 3)):
        (root / split).mkdir()
        images, annotations = [], []
        for i in range(count):
            width, height = ((64, 48), (48, 64))[i % 2]
            pixels = generator.integers(0, 256, (height, width, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(root / split / f"{i}.png")
            images.append({"id": i + 5, "file_name": f"{i}.png", "width": width, "height": height})
            annotations.append(
                {"id": i + 1, "image_id": i + 5, "category_id": (7, 3)[i % 2], "area": 900,
                 "bbox": [8, 8, 30, 30], "iscrowd": 0}
            )  # fmt: skip
        tree = {
            "images": images,
            "annotations": annotations,
            "categories": [{"id": key, "name": name} for key, name in NAMES.items()],
        }
        (root / "annotations" / f"instances_{split}.json").write_text(json.dumps(tree))
    return root


def config_of(folder, output, name="resnet26", *overrides):
    small = {"width": 8, "depths": (1,)} if name == "resnet26" else shallow(name)
    if len(small["depths"]) < 3:
        small["out_indices"] = tuple(range(len(small["depths"])))
    return load_config(
        None,
        [
            "task=detection",
            "data.name=coco",
            f"data.root={folder}",
            f"output={output}",
            f"model.name={name}",
            f"model.kwargs={json.dumps(small)}",
            "detector.kwargs={channels: 8, num_convs: 1, num_levels: 2}",
            "detector.score_threshold=0.0",
            "detector.max_detections=7",
            "data.short_side=[48]",
            "data.long_side=64",
            "data.bucket_aspects=[]",
            "data.batch_size=2",
            "data.num_workers=1",
            "train.epochs=1",
            *overrides,
        ],
    )


@pytest.fixture(scope="module")
def run(folder, tmp_path_factory):
    output = tmp_path_factory.mktemp("run") / "retinanet"
    workflows.train(config_of(folder, output))
    return output


@pytest.fixture
def checkpoint(run):
    return str(run / "checkpoints" / "last.ckpt")


def test_training_logs_both_losses_and_the_twelve_numbers(run):
    record = json.loads((run / "metrics.jsonl").read_text().splitlines()[-1])
    assert record["loss"] == pytest.approx(record["loss_cls"] + record["loss_box"], rel=1e-4)
    assert record["step"] == 2  # one batch of lying and one of upright images
    assert 0 <= record["bbox_mAP"] <= 1
    assert json.loads((run / "classes.json").read_text()) == ["dog", "cat"]


def test_eval_writes_the_numbers_and_coco_s_list_of_results(run, checkpoint, tmp_path, capsys):
    report, results = tmp_path / "report.json", tmp_path / "results.json"
    arguments = ["--json", str(report), "--results", str(results), "--per-class"]
    assert main(["eval", str(run / "config.yaml"), "--checkpoint", checkpoint, *arguments]) == 0
    assert "bbox_mAP" in capsys.readouterr().out
    content = json.loads(report.read_text())
    assert content["per_class"].keys() == {"dog", "cat"}
    last = json.loads((run / "metrics.jsonl").read_text().splitlines()[-1])
    assert content["bbox_mAP"] == pytest.approx(last["bbox_mAP"], abs=1e-6)
    found = json.loads(results.read_text())
    assert len(found) == 3 * 7
    assert {one["image_id"] for one in found} == {5, 6, 7}
    assert {one["category_id"] for one in found} <= set(NAMES)


def test_exported_file_finds_what_the_checkpoint_finds(run, checkpoint, folder, tmp_path, capsys):
    exported, pictures = tmp_path / "net.mindir", tmp_path / "pictures"
    arguments = ["--format", "mindir", "--output", str(exported), "--checkpoint", checkpoint]
    assert main(["export", str(run / "config.yaml"), *arguments]) == 0
    assert "verified" in capsys.readouterr().out
    image = str(folder / "val2017" / "0.png")
    assert (
        main(
            [
                "predict",
                str(exported),
                image,
                image,
                "--all",
                "--json",
                "-",
                "--output",
                str(pictures),
            ]
        )
        == 0
    )
    from_file = json.loads(capsys.readouterr().out)
    assert main(["predict", checkpoint, image, "--all", "--json", "-"]) == 0
    (expected,) = json.loads(capsys.readouterr().out)
    assert len(expected["objects"]) == 7
    for ours, theirs in zip(from_file[0]["objects"], expected["objects"], strict=True):
        assert ours["class"] == theirs["class"]
        np.testing.assert_allclose(ours["box"], theirs["box"], atol=1e-3)
    assert json.loads((pictures / "predictions.json").read_text()) == from_file
    assert (pictures / "0.png").is_file()
    assert (pictures / "0_2.png").is_file()


def test_an_upright_image_fits_into_an_exported_lying_one(run, checkpoint, folder, tmp_path):
    exported = tmp_path / "net.mindir"
    config = load_config(run / "config.yaml")
    workflows.export(
        config, checkpoint, exported, format="mindir", input_size=(32, 96), verify=False
    )
    (found,) = workflows.predict(exported, [str(folder / "val2017" / "1.png")])
    assert len(found.boxes) == 7
    assert (found.boxes >= 0).all()
    assert (found.boxes <= [48, 64, 48, 64]).all()


def test_a_raw_file_ends_before_suppression_and_the_side_car_says_how_to_go_on(
    run, checkpoint, folder, tmp_path
):
    exported = tmp_path / "net.onnx"
    config = load_config(run / "config.yaml")
    workflows.export(config, checkpoint, exported, format="onnx", raw=True, verify=False)
    sidecar = json.loads((tmp_path / "net.onnx.json").read_text())
    assert sidecar["task"] == "detection"
    task = get_task("detection")
    model = build_model(config, 2)
    load_model(model, checkpoint)
    image = str(folder / "val2017" / "0.png")
    reader = task.reader(sidecar, sidecar["classes"], (3, 64, 64), 1)
    tensor, placement = reader.read(image)
    network = task.deployed(model.set_train(False), post_process=False)
    outputs = tuple(o.asnumpy()[0] for o in network(ms.Tensor(tensor[None])))
    found = reader.interpret(image, outputs, placement)
    (expected,) = workflows.predict(checkpoint, [image], config)
    np.testing.assert_allclose(found.scores, expected.scores, atol=1e-5)
    np.testing.assert_allclose(found.boxes, expected.boxes, atol=1e-2)


@pytest.mark.exhaustive
def test_a_raw_file_leaves_suppression_to_the_reader(run, checkpoint, folder, tmp_path):
    """With --raw the file ends at the logits and boxes of all anchors."""
    config, found = load_config(run / "config.yaml"), []
    image = str(folder / "val2017" / "0.png")
    for raw in (False, True):
        path = tmp_path / f"{raw}.mindir"
        workflows.export(config, checkpoint, path, format="mindir", raw=raw)
        found += workflows.predict(path, [image])
        post_process = json.loads((tmp_path / f"{raw}.mindir.json").read_text())["post_process"]
        assert bool(post_process) is raw
    whole, completed = found
    assert len(whole.boxes) == 7
    np.testing.assert_array_equal(completed.labels, whole.labels)
    np.testing.assert_allclose(completed.scores, whole.scores, atol=1e-5)
    np.testing.assert_allclose(completed.boxes, whole.boxes, atol=1e-2)


def test_a_classifiers_weights_start_the_backbone_exactly_and_its_twin_too(folder, tmp_path):
    generator = np.random.default_rng(0)
    plain = create_model("pvt_tiny", num_classes=5, **arguments("pvt_tiny"))
    for parameter in plain.get_parameters():
        set_value(parameter, generator.normal(0, 0.1, parameter.shape))
    file = tmp_path / "pvt.ckpt"
    save_model(plain, file)
    for name, start in (("pvt_tiny", "strict"), ("acmix_pvt_tiny", "exact")):
        overrides = [f"model.pretrained={file}", f"model.warm_start={start}"]
        config = config_of(folder, tmp_path / "x", name, *overrides)
        detector = build_model(config, 2)
        load_pretrained(config, detector)
        loaded = dict(detector.backbone.parameters_and_names())
        shared = [name for name, _ in plain.parameters_and_names() if name in loaded]
        assert len(shared) > 20
        for name, parameter in plain.parameters_and_names():
            if name in loaded:
                np.testing.assert_array_equal(get_value(loaded[name]), get_value(parameter))
    silenced = [p for name, p in loaded.items() if name.endswith("attn.beta")]
    assert silenced
    assert not any(get_value(p).any() for p in silenced)


def test_weights_of_another_model_do_not_start_a_backbone(folder, tmp_path):
    file = tmp_path / "resnet.ckpt"
    save_model(create_model("resnet26", num_classes=5, **arguments("resnet26")), file)
    config = config_of(folder, tmp_path / "x", "pvt_tiny", f"model.pretrained={file}")
    with pytest.raises(UserError, match="does not fit"):
        load_pretrained(config, build_model(config, 2))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["eval", "{config}", "--checkpoint", "{ckpt}", "--confusion", "x.png"], "--confusion"),
        (["train", "{config}", "data.mixup=0.5", "output={tmp}/a"], "data.mixup=0.5"),
        (["train", "{config}", "detector.name=retinanett", "output={tmp}/a"], "retinanet_resnet26"),
        (["train", "{config}", "detector.kwargs={{chanels: 8}}", "output={tmp}/a"], "channels"),
        (["train", "{config}", "data.train_split=train", "output={tmp}/a"], "instances_train.json"),
        (["bench", "models", "resnet26", "retinanet_resnet26"], "several shapes"),
        (
            ["predict", "{ckpt}", "{ckpt}", "--output", "{tmp}/a", "--masks"],
            "is a retinanet_resnet26, which predicts no masks of objects; leave --masks out",
        ),
    ],
    ids=lambda value: str(value)[:40],
)
def test_mistakes_with_detectors_are_one_line(
    run, checkpoint, arguments, message, tmp_path, capsys
):
    filled = {"config": run / "config.yaml", "ckpt": checkpoint, "tmp": tmp_path}
    assert main([argument.format(**filled) for argument in arguments]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert len(error.strip().splitlines()) == 1
    assert list(tmp_path.iterdir()) == []
