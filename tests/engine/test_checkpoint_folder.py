"""The folder of checkpoints: the newest whole one is found, and never lost."""

import json
import logging
import zlib
from dataclasses import replace

import mindspore as ms
import pytest
from mindspore import Parameter, Tensor

from acmix.engine.checkpoint import Progress, load_weights, read_checkpoint, save_checkpoint
from acmix.engine.checkpoint_folder import CheckpointFolder, latest_checkpoint
from acmix.errors import UserError

STEPS = 10


@pytest.fixture
def folder(tmp_path):
    return CheckpointFolder(tmp_path / "checkpoints", keep=9)


def save(folder, step, best_step=None):
    progress = Progress(
        epoch=step // STEPS, step=step, best_step=best_step, steps_per_epoch=STEPS,
        position=step % STEPS,
    )  # fmt: skip
    state = {"w": Parameter(Tensor([float(step)], ms.float32), name="w")}
    return folder.save(state, progress)


def names(folder):
    return sorted(entry.name for entry in folder.path.iterdir())


def step_of(file):
    tensors, progress = read_checkpoint(file)[:2]
    assert tensors["w"] == [progress.step]
    return progress.step


def flip(file, at=40):
    """Replace ``file`` by a damaged copy; its hard links keep their content."""
    content = file.read_bytes()
    file.unlink()
    file.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])


def damage(folder, name):
    """Damage a file and the alias for the last one, if it is that."""
    flip(folder.path / name)
    (folder.path / "last.ckpt").unlink(missing_ok=True)


def test_newest_last_and_best_are_kept(folder):
    folder.keep = 2
    for step in (10, 20, 30, 40, 50):
        save(folder, step, best_step=min(step, 20))
    expected = ["best.ckpt", "epoch_0004.ckpt", "epoch_0005.ckpt", "last.ckpt", "manifest.json"]
    assert names(folder) == expected
    assert step_of(folder.path / "best.ckpt") == 20
    assert step_of(folder.path / "last.ckpt") == 50


def test_best_inside_an_epoch_outlasts_the_newest_and_is_linked_again(folder):
    folder.keep = 2
    for step in (10, 15, 20, 25, 30):
        save(folder, step, best_step=min(step, 15))
    assert step_of(folder.path / "best.ckpt") == 15
    folder.keep = 9
    save(folder, 35, best_step=35)
    folder.move_after(30, folder.path / "aside")
    assert not (folder.path / "best.ckpt").exists(), "the file of step 15 is dropped"
    save(folder, 33, best_step=33)
    save(folder, 35, best_step=35)
    folder.move_after(34, folder.path / "aside")
    assert step_of(folder.path / "best.ckpt") == 33


def test_checkpoint_is_no_best_before_its_evaluation(folder):
    state = {"w": Parameter(Tensor([10.0], ms.float32), name="w")}
    progress = Progress(epoch=1, step=10, best_step=10, steps_per_epoch=STEPS, pending=True)
    folder.save(state, progress)
    assert "best.ckpt" not in names(folder)
    folder.conclude(state, replace(progress, pending=False))
    assert step_of(folder.path / "best.ckpt") == 10
    assert folder.progress_of(folder.path / "best.ckpt", progress).is_concluded


def test_checkpoint_inside_an_epoch_is_named_by_its_step(folder):
    save(folder, 10, best_step=10)
    assert save(folder, 15, best_step=10).name == "step_00000015.ckpt"
    assert step_of(folder.path / "best.ckpt") == 10
    assert step_of(folder.path / "last.ckpt") == 15


def test_latest_is_by_step_whatever_the_names(folder):
    assert folder.latest() is None
    for step in (99_990, 100_000, 100_005):
        assert save(folder, step) == folder.latest()
    save(folder, 100_010)
    assert latest_checkpoint(folder.path.parent).name == "epoch_10001.ckpt"


def test_pruning_is_by_step_whatever_the_names(folder):
    folder.keep = 2
    for step in (5, 10, 15, 20, 25):
        save(folder, step)
    kept = [name for name in names(folder) if name[-6].isdigit()]
    assert kept == ["epoch_0002.ckpt", "step_00000025.ckpt"]


@pytest.mark.parametrize("manifest", ["present", "missing", "garbage"])
def test_damaged_newest_is_reported_and_passed_over(folder, manifest, caplog):
    for step in (10, 20, 25):
        save(folder, step)
    damage(folder, "step_00000025.ckpt")
    if manifest == "missing":
        (folder.path / "manifest.json").unlink()
    if manifest == "garbage":
        (folder.path / "manifest.json").write_text('{"version": 1, "checkpoi')
    with caplog.at_level(logging.WARNING):
        assert folder.latest().name == "epoch_0002.ckpt"
    assert "step_00000025.ckpt is passed over" in caplog.text
    assert ("manifest.json is damaged" in caplog.text) == (manifest == "garbage")


def test_copy_under_another_name_replaces_a_damaged_newest(folder):
    save(folder, 10)
    flip(save(folder, 20))
    assert folder.latest().name == "last.ckpt"
    assert step_of(folder.latest()) == 20


def test_best_is_the_last_resort(folder):
    save(folder, 10, best_step=10)
    damage(folder, save(folder, 20).name)
    flip(folder.path / "epoch_0001.ckpt")
    assert folder.latest().name == "best.ckpt"


def test_damage_of_everything_is_no_reason_to_start_anew(folder):
    assert folder.to_resume() is None
    damage(folder, save(folder, 10).name)
    assert folder.latest() is None
    with pytest.raises(UserError, match=r"All checkpoints in .*checkpoints are damaged; restore"):
        folder.to_resume()


def test_damaged_files_do_not_count_when_old_ones_are_dropped(folder):
    folder.keep = 2
    save(folder, 10)
    damage(folder, save(folder, 20).name)
    cut = folder.path / "epoch_0002.ckpt"
    cut.write_bytes(cut.read_bytes()[:-1])
    save(folder, 30)
    assert [name for name in names(folder) if "epoch" in name] == [
        "epoch_0001.ckpt",
        "epoch_0003.ckpt",
    ]


def test_manifest_tells_progress_size_and_digest(folder):
    file = save(folder, 15)
    entry = json.loads((folder.path / "manifest.json").read_text())["checkpoints"][file.name]
    assert entry["progress"]["step"] == 15
    assert entry["size"] == file.stat().st_size
    assert len(entry["sha256"]) == 64


def sealed(checkpoints):
    crc = zlib.crc32(json.dumps(checkpoints, sort_keys=True).encode())
    return json.dumps({"version": 1, "checkpoints": checkpoints, "crc32": crc})


@pytest.mark.parametrize(
    "content",
    [
        "[]",
        '{"version": 2, "checkpoints": {}}',
        '{"version": 1}',
        sealed({"epoch_0002.ckpt": 3}),
        sealed({"epoch_0002.ckpt": {"size": 1, "sha256": "", "progress": {"step": "99"}}}),
        "[" * 100_000,
        "\0",
    ],
)
def test_damaged_manifest_is_rebuilt_from_the_files(folder, content, caplog):
    for step in (10, 20):
        save(folder, step)
    before = (folder.path / "manifest.json").read_text()
    (folder.path / "manifest.json").write_text(content)
    assert folder.latest().name == "epoch_0002.ckpt"
    assert "manifest.json is damaged" in caplog.text
    folder.move_after(20, folder.path / "aside")
    assert json.loads((folder.path / "manifest.json").read_text()) == json.loads(before)


def test_step_flipped_in_the_manifest_does_not_make_an_old_checkpoint_the_newest(folder, caplog):
    for step in (10, 20):
        save(folder, step)
    manifest = folder.path / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"step": 10', '"step": 90'))
    assert folder.latest().name == "epoch_0002.ckpt"
    assert "manifest.json is damaged" in caplog.text


def test_file_put_into_the_folder_by_hand_is_found(folder):
    save(folder, 10)
    state = {"w": Parameter(Tensor([30.0], ms.float32), name="w")}
    file = folder.path / "epoch_0003.ckpt"
    save_checkpoint(file, state, Progress(epoch=3, step=30, steps_per_epoch=STEPS))
    assert folder.latest() == file


def test_good_file_of_another_content_than_the_manifest_says_is_used(folder):
    """A crash between the rename of a checkpoint and that of the manifest."""
    file = save(folder, 10)
    state = {"w": Parameter(Tensor([10.0], ms.float32), name="w"), "v": Parameter(Tensor([1.0]))}
    save_checkpoint(file, state, Progress(epoch=1, step=10, steps_per_epoch=STEPS))
    assert folder.latest() == file


def test_file_that_another_process_drops_while_reading_is_passed_over(folder, monkeypatch):
    for step in (10, 20):
        save(folder, step)
    (folder.path / "last.ckpt").unlink()
    files = folder.files()
    (folder.path / "epoch_0002.ckpt").unlink()
    monkeypatch.setattr(folder, "files", lambda: files)
    assert folder.latest().name == "epoch_0001.ckpt"


def test_what_is_newer_moves_aside_whatever_the_names(folder):
    for step in (10, 15, 20, 25):
        save(folder, step, best_step=step - step % STEPS)
    folder.move_after(15, folder.path / "aside")
    expected = [
        "aside",
        "best.ckpt",  # again that of the first epoch
        "epoch_0001.ckpt",
        "manifest.json",
        "step_00000015.ckpt",
    ]
    assert names(folder) == expected
    assert step_of(folder.path / "best.ckpt") == 10
    assert folder.latest().name == "step_00000015.ckpt"
    assert step_of(folder.path / "aside" / "epoch_0002.ckpt") == 20
    assert step_of(folder.path / "aside" / "step_00000025.ckpt") == 25


def test_a_folder_removed_while_it_is_written_is_told_in_one_line(folder, monkeypatch):
    monkeypatch.setattr("acmix.engine.checkpoint_folder.save_checkpoint", lambda *_: None)
    with pytest.raises(UserError, match=r"epoch_0001\.ckpt: No such file .*Training stops at step"):
        save(folder, 10)


def test_leftovers_of_a_killed_process_go_when_a_run_begins(folder):
    save(folder, 10)
    (folder.path / ".tmp-killed").mkdir()
    (folder.path / ".tmp-killed" / "epoch_0002.ckpt").write_bytes(b"half")
    assert folder.latest().name == "epoch_0001.ckpt"
    folder.move_after(10, folder.path / "aside")
    assert not (folder.path / ".tmp-killed").exists()


def test_works_without_hard_links(folder, monkeypatch):
    def refuse(*args):
        raise OSError

    monkeypatch.setattr("os.link", refuse)
    save(folder, 10, best_step=10)
    assert step_of(folder.path / "best.ckpt") == 10


def test_weights_alone_are_written_for_the_last_and_the_best_on_request(folder):
    folder.safetensors = True
    for step in (10, 20):
        save(folder, step, best_step=10)
    for name, value in (("best", 10.0), ("last", 20.0)):
        file = folder.path / f"{name}.safetensors"
        assert load_weights(file) == {"w": [value]}
        assert ms.load_checkpoint(str(file), format="safetensors")["w"] == value
    folder.move_after(10, folder.path / "aside")
    assert "last.safetensors" not in names(folder)
    assert "best.safetensors" in names(folder)


def test_weights_alone_of_another_step_than_the_checkpoint_beside_do_not_stay(folder):
    folder.safetensors = True
    save(folder, 10, best_step=10)
    folder.safetensors = False
    save(folder, 20, best_step=10)
    assert "last.safetensors" not in names(folder)
    assert load_weights(folder.path / "best.safetensors") == {"w": [10.0]}
