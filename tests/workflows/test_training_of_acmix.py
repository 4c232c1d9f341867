"""Training ACmix itself: resume to the last bit with drop path, mixed precision, image-free."""

from pathlib import Path

import numpy as np
import pytest
from variants import exhaustive

from acmix.config import load_config
from acmix.engine.checkpoint import read_checkpoint
from acmix.workflows import train

CONFIG = Path(__file__).parents[2] / "configs" / "classification" / "digits_acmix_swin.yaml"
KWARGS = {
    "acmix_resnet26": "{width: 8, depths: [%d]}",  # compiles fastest
    "acmix_swin_tiny": "{patch_size: 2, embed_dim: 8, depths: [%d], num_heads: [2],"
    " window_size: 4}",
}
TINY = (
    "model.drop_path_rate=0.3",
    "data.batch_size=256",
    "schedule.warmup_epochs=0",
)


def last_state(output):
    tensors, progress = read_checkpoint(output / "checkpoints" / "last.ckpt")[:2]
    return tensors, progress


def run(model, depth, output, *overrides, resume=None):
    chosen = (f"model.name={model}", f"model.kwargs={KWARGS[model] % depth}")
    return train(load_config(CONFIG, [*TINY, *chosen, f"output={output}", *overrides]), resume)


@pytest.mark.exhaustive
@pytest.mark.parametrize("model", KWARGS)
def test_a_resumed_run_is_the_uninterrupted_one_to_the_last_bit(model, tmp_path, monkeypatch):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    options = ("train.epochs=2", "train.ema_decay=0.9")
    run(model, 2, whole, *options)

    import acmix.engine.stopping as stopping

    evaluate, calls = stopping.evaluate, []

    def killed(task, *arguments):
        calls.append(task)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return evaluate(task, *arguments)

    monkeypatch.setattr(stopping, "evaluate", killed)
    with pytest.raises(KeyboardInterrupt):
        run(model, 2, parts, *options)
    monkeypatch.setattr(stopping, "evaluate", evaluate)
    run(model, 2, parts, *options, resume="auto")

    expected, progress = last_state(whole)
    actual, resumed_progress = last_state(parts)
    assert actual.keys() == expected.keys()
    assert any(name.endswith("random_state") for name in expected)
    for name, value in expected.items():
        np.testing.assert_array_equal(actual[name], value, err_msg=name)
    assert resumed_progress == progress


@pytest.mark.parametrize("model", exhaustive(KWARGS, ["acmix_swin_tiny"]))
def test_mixed_precision_trains(model, tmp_path):
    result = run(model, 1, tmp_path / "run", "train.amp=O2", "train.epochs=1")
    lines = (tmp_path / "run" / "metrics.jsonl").read_text()
    assert '"skipped": 0' in lines or '"scale"' in lines
    assert np.isfinite(result.metrics["top1"])
    tensors, _ = last_state(tmp_path / "run")
    for name, value in tensors.items():
        assert np.isfinite(value.astype(np.float64)).all(), name
