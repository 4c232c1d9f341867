"""``acmix eval --pictures``: each task draws the truth as it draws predictions."""

from __future__ import annotations

import numpy as np
import pytest
from cli.small_run import make_run, write_classes
from PIL import Image
from tasks.small_segmentation import PALETTE
from tasks.small_segmentation import make_run as make_segmenter

from acmix import workflows
from acmix.cli import main
from acmix.config import load_config
from acmix.data import create_dataset
from acmix.tasks import get_task
from acmix.tasks.drawing import beside, class_colour
from acmix.tasks.picture_files import is_drawn

GREY = (128, 128, 128)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    root = tmp_path_factory.mktemp("classifier")
    write_classes(root / "data", 3)
    return make_run(root / "run"), root / "data"


def evaluate(run, *options):
    folder, data = run
    overrides = [f"data.root={data}", "data.batch_size=4", "data.num_workers=1"]
    call = ["eval", str(folder / "config.yaml"), *overrides, "--checkpoint", str(folder)]
    return main([*call, *options])


def test_pictures_of_images_all_over_the_split_are_written_into_the_run(run, monkeypatch, capsys):
    seen = []
    monkeypatch.setattr(
        "acmix.tasks.classification.task.caption", lambda image, text: seen.append(text) or image
    )
    assert evaluate(run, "--pictures", "4") == 0
    folder = run[0] / "pictures"
    assert f"Wrote 4 pictures into {folder}" in capsys.readouterr().out
    # Images 0, 2, 4 and 6 of nine, sorted by class; the data has its classes in another order.
    assert seen == ["=dog", "=dog", "cat", "蚂蚁"]
    assert sorted(path.name for path in folder.iterdir()) == [
        "0000.png", "0000_2.png", "0001.png", "0002.png",
    ]  # fmt: skip
    assert all(map(is_drawn, folder.iterdir()))


@pytest.mark.parametrize("count", ["9", "500"])
def test_a_split_with_fewer_images_is_drawn_as_a_whole(run, count, tmp_path, capsys):
    assert evaluate(run, "--pictures", count, "--output", str(tmp_path / "out")) == 0
    assert len(list((tmp_path / "out").iterdir())) == 9


def test_a_checkpoint_alone_needs_a_folder(run, tmp_path, capsys):
    assert evaluate(run, "--output", str(tmp_path)) == 2
    assert "--output is the folder for --pictures N; add that." in capsys.readouterr().err
    alone = tmp_path / "a" / "b" / "net.ckpt"
    alone.parent.mkdir(parents=True)
    alone.write_bytes((run[0] / "checkpoints" / "best.ckpt").read_bytes())
    call = ["eval", str(run[0] / "config.yaml"), "--checkpoint", str(alone), "--pictures", "1"]
    assert main(call) == 2
    assert "is in no run folder; name a folder with --output DIR" in capsys.readouterr().err


def test_a_detector_draws_its_annotations():
    config = load_config(None, ["task=detection", "data.name=shapes", "data.masks=true"])
    data = create_dataset(config.data, "val", seed=0)
    record = data.objects(3)
    image = Image.new("RGB", (record.width, record.height), GREY)
    pixels = np.asarray(get_task("detection").truth(data, 3, image))
    factor = pixels.shape[0] // record.height
    for number, (box, mask) in enumerate(zip(record.boxes, record.masks, strict=True)):
        x, y = (box[:2] * factor).astype(int)
        frame = pixels[y, x + 1 : int(box[2] * factor) - 1]
        assert (frame == class_colour(number)).all(-1).mean() > 0.5  # what labels leave
        row, column = (int(part.mean()) for part in np.nonzero(mask))
        mixed = 0.45 * 128 + 0.55 * np.array(class_colour(number))
        inside = pixels[row * factor + factor // 2, column * factor + factor // 2]
        np.testing.assert_allclose(inside, mixed, atol=1)


def test_objects_of_a_class_that_the_network_lacks_are_not_drawn():
    config = load_config(None, ["task=detection", "data.name=shapes"])
    data = create_dataset(config.data, "val", seed=0)
    other = data.relabelled(("triangle", "circle"), (1, -1, 0))
    for index in range(8):
        before, after = data.objects(index), other.objects(index)
        kept = [data.classes[k] for k in before.labels if data.classes[k] != "rectangle"]
        assert [other.classes[k] for k in after.labels] == kept


def test_a_segmenter_draws_its_labels_and_what_is_ignored_in_grey(tmp_path):
    run = make_segmenter(tmp_path)
    data = create_dataset(run.config.data, "val", seed=0)
    labels = data.ground_truth(0)
    assert (labels == 255).any()
    image = Image.new("RGB", labels.shape[::-1], (0, 0, 0))
    pixels = np.asarray(get_task("segmentation").truth(data, 0, image))
    colours = np.full((256, 3), 128)
    colours[: len(PALETTE)] = PALETTE
    factor = pixels.shape[0] // labels.shape[0]
    seen = pixels[::factor, ::factor][: labels.shape[0], : labels.shape[1]]
    np.testing.assert_allclose(seen, 0.55 * colours[labels], atol=1)
    count = workflows.write_comparisons(run.config, run.checkpoint, 2, tmp_path / "out", 0.3)
    assert count == len(list((tmp_path / "out").iterdir())) == 2


def test_pictures_stand_side_by_side_whatever_their_sizes():
    red, blue = Image.new("RGB", (400, 300), (255, 0, 0)), Image.new("RGB", (90, 500), (0, 0, 255))
    pixels = np.asarray(beside({"truth": red, "prediction": blue})).reshape(-1, 3)
    assert (pixels == (255, 0, 0)).all(1).sum() == 400 * 300
    assert (pixels == (0, 0, 255)).all(1).sum() == 90 * 500
