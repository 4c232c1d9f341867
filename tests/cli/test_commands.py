"""The command line end to end: a run on a small image folder, and every kind of user's mistake."""

import json
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from acmix.cli import main, make_parser
from acmix.environment import describe
from acmix.errors import UserError
from acmix.workflows import predict

TINY = (
    "model={name: acmix_swin_tiny, kwargs: {patch_size: 2, embed_dim: 8, depths: [1], "
    "num_heads: [2], window_size: 4}}"
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two classes that differ in brightness, 12 + 6 images of 20 x 24 pixels each."""
    root = tmp_path_factory.mktemp("images")
    generator = np.random.default_rng(0)
    for split, count in (("train", 12), ("val", 6)):
        for name, level in (("dark", 40), ("light", 200)):
            target = root / split / name
            target.mkdir(parents=True)
            for i in range(count):
                pixels = np.clip(generator.normal(level, 25, (20, 24, 3)), 0, 255)
                Image.fromarray(pixels.astype(np.uint8)).save(target / f"{i}.png")
    return root


@pytest.fixture(scope="module")
def config(folder):
    file = folder / "run.yaml"
    file.write_text(
        "data: {name: image_folder, image_size: 16, batch_size: 8, num_workers: 1, scale: null,"
        f" root: {folder}}}\n"
        "optim: {lr: 0.01}\ntrain: {epochs: 2}\n"
    )
    return str(file)


@pytest.fixture(scope="module")
def run(folder, config):
    """A finished run; the other tests work on it."""
    output = folder / "run"
    assert main(["train", config, TINY, f"output={output}", "train.safetensors=true"]) == 0
    return output


def test_train_leaves_a_complete_run(run):
    for name in ("config.yaml", "environment.json", "metrics.jsonl", "classes.json", "curve.png"):
        assert (run / name).stat().st_size > 0, name
    assert {"last.ckpt", "best.ckpt"} <= {path.name for path in (run / "checkpoints").iterdir()}
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert lines[-1]["epoch"] == 2
    assert any(name.endswith(".alpha") for name in lines[-1]["scalars"])


def test_a_finished_run_is_not_overwritten_and_can_be_prolonged(run, config, capsys):
    assert main(["train", config, TINY, f"output={run}"]) == 2
    assert "--resume auto" in capsys.readouterr().err
    before = (run / "metrics.jsonl").read_text()
    arguments = [config, TINY, f"output={run}", "train.epochs=3", "train.safetensors=true"]
    assert main(["train", *arguments, "--resume", "auto"]) == 0
    after = (run / "metrics.jsonl").read_text()
    assert after.startswith(before)
    assert len(after) > len(before)


def test_eval_reports_metrics_classes_and_picture(run, config, tmp_path, capsys):
    checkpoint = str(run / "checkpoints" / "last.ckpt")
    picture, report = tmp_path / "confusion.png", tmp_path / "report.json"
    arguments = ["--per-class", "--confusion", str(picture), "--json", str(report)]
    assert main(["eval", config, TINY, "--checkpoint", checkpoint, *arguments]) == 0
    printed = capsys.readouterr().out
    assert "top1" in printed
    assert "dark" in printed
    content = json.loads(report.read_text())
    assert content["per_class"].keys() == {"dark", "light"}
    assert content["top1"] == pytest.approx(np.mean(list(content["per_class"].values())))
    assert picture.stat().st_size > 0


def test_export_and_predict_agree_with_the_checkpoint(run, config, folder, tmp_path, capsys):
    checkpoint = str(run / "checkpoints" / "last.ckpt")
    exported = tmp_path / "net.mindir"
    arguments = ["--checkpoint", checkpoint, "--format", "mindir", "--output", str(exported)]
    assert main(["export", config, TINY, *arguments, "--batch-size", "2"]) == 0
    assert "verified" in capsys.readouterr().out
    images = [str(folder / "val" / name / "0.png") for name in ("dark", "light")]
    images.append(str(folder / "val" / "dark" / "1.png"))  # the second batch is filled up
    answers = []
    for model in (checkpoint, str(exported), checkpoint.replace(".ckpt", ".safetensors")):
        assert main(["predict", model, *images, "--json", "-", "--top", "2"]) == 0
        answers.append(json.loads(capsys.readouterr().out))
    assert answers.pop() == answers[0]
    for from_checkpoint, from_file in zip(*answers, strict=True):
        assert from_checkpoint["classes"] == from_file["classes"]
        np.testing.assert_allclose(
            from_checkpoint["probabilities"], from_file["probabilities"], atol=1e-5
        )
        assert sum(from_file["probabilities"]) == pytest.approx(1)


def test_predict_keeps_the_rest_when_an_image_is_damaged(run, folder, tmp_path, capsys):
    good, bad = str(folder / "val" / "dark" / "0.png"), tmp_path / "b\x1bad\n.png"
    bad.write_bytes(b"no image")
    out, report = tmp_path / "out", tmp_path / "report.json"
    arguments = [good, str(bad), good, "--output", str(out), "--json", str(report)]
    assert main(["predict", str(run / "checkpoints" / "last.ckpt"), *arguments]) == 2
    printed = capsys.readouterr()
    assert printed.err.count("\n") == 1
    assert "b\\x1bad\\n.png" in printed.err
    assert "1 of 3 images have no prediction" in printed.err
    assert "\x1b" not in printed.out
    assert f"Wrote 2 pictures and predictions.json into {out}" in printed.out
    entries = json.loads(report.read_text())
    assert ["classes" in entry for entry in entries] == [True, False, True]
    assert entries[1]["image"] == str(bad)
    assert json.loads((out / "predictions.json").read_text()) == entries
    assert {path.name for path in out.iterdir()} == {"0.png", "0_2.png", "predictions.json"}


def test_predict_reads_one_image_after_the_other(run, folder):
    images = [str(folder / "val" / "dark" / "0.png"), "missing.png"]
    predictions = predict(run / "checkpoints" / "last.ckpt", images)
    assert next(predictions).image == images[0]
    with pytest.raises(UserError, match=r"missing\.png"):
        next(predictions)


def test_bench_of_a_run_writes_samples(run, tmp_path, capsys):
    file = tmp_path / "bench.json"
    checkpoint = str(run / "checkpoints" / "last.ckpt")
    arguments = ["--batch-size", "2", "--warmup", "1", "--repeats", "3", "--json", str(file)]
    assert main(["bench", "models", "--checkpoint", checkpoint, *arguments]) == 0
    assert "img/s" in capsys.readouterr().out
    assert len(json.loads(file.read_text())["timings"][0]["seconds"]) == 3


def test_list_and_summary(capsys):
    assert main(["list", "acmix_swin*"]) == 0
    assert capsys.readouterr().out.split() == [
        "acmix_swin_base",
        "acmix_swin_small",
        "acmix_swin_tiny",
    ]
    assert main(["summary", "resnet26", "--total", "--input-size", "64x32"]) == 0
    assert "13,696,552" in capsys.readouterr().out


def test_env_tells_versions(capsys):
    code = main(["env", "--json", "-"])
    assert code in (0, 1)
    assert json.loads(capsys.readouterr().out)["facts"]["mindspore"] == describe()["mindspore"]


MISTAKES = [
    (["summary", "resnet51"], "Did you mean 'resnet50'"),
    (["list", "nothing*"], "no model matches"),
    (["train", "missing.yaml"], "missing.yaml"),
    (["train", "{config}", "optim.lrr=1"], "Did you mean"),
    (["train", "{config}", "optim.lr=fast"], "optim.lr"),
    (["train", "{config}", "data.root=/nowhere", "output={tmp}/a"], "/nowhere"),
    (["train", "{config}", "model.name=acmix_swin_tinny", "output={tmp}/b"], "acmix_swin_tiny"),
    (["train", "{config}", "model.num_classes=1", "output={tmp}/c"], "model.num_classes=1"),
    (["train", "{config}", "model.kwargs.embed_dimm=8", "output={tmp}/d"], "embed_dim"),
    (["train", "{config}", "runtime.device=Ascend", "output={tmp}/e"], "Ascend"),
    (["eval", "{config}", "--checkpoint", "missing.ckpt"], "missing.ckpt"),
    (
        ["export", "{config}", "--checkpoint", "x", "--format", "air", "--output", "{tmp}/x.air"],
        "Ascend only",
    ),
    (["predict", "missing.mindir", "image.jpg"], "missing.mindir"),
    (["predict", "missing.ckpt", "image.jpg"], "missing.ckpt"),
    (["bench", "models"], "name at least one model"),
    (["bench", "models", "resnet26", "--baseline", "resnet5"], "baseline"),
]


@pytest.mark.parametrize(("arguments", "message"), MISTAKES, ids=lambda value: str(value)[:40])
def test_a_users_mistake_is_one_line(arguments, message, config, tmp_path, capsys):
    arguments = [argument.format(config=config, tmp=tmp_path) for argument in arguments]
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert message in error
    command = "bench models" if arguments[0] == "bench" else arguments[0]
    assert error.startswith(f"acmix {command}: error: ")
    assert len(error.strip().splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_an_image_that_is_none_is_named(run, tmp_path, capsys):
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"not an image")
    assert main(["predict", str(run / "checkpoints" / "last.ckpt"), str(broken)]) == 2
    assert "broken.jpg" in capsys.readouterr().err


def test_every_command_has_help_with_an_example():
    parser = make_parser()
    (commands,) = (
        action.choices
        for action in parser._actions
        if hasattr(action, "choices") and action.choices
    )
    assert {"env", "list", "summary", "train", "eval", "export", "predict", "bench"} <= set(
        commands
    )
    for name, command in commands.items():
        assert f"example: acmix {name}" in command.format_help()


def test_the_installed_command_answers():
    done = subprocess.run(
        [sys.executable, "-m", "acmix", "train", "nowhere.yaml"], capture_output=True, text=True
    )
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
