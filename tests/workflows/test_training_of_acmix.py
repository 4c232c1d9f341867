"""Training ACmix itself: resume to the last bit with drop path, mixed precision, image-free."""

from pathlib import Path

import numpy as np
import pytest
from interrupted import check_resume
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


def run(model, depth, output, *overrides, resume=None):
    chosen = (f"model.name={model}", f"model.kwargs={KWARGS[model] % depth}")
    return train(load_config(CONFIG, [*TINY, *chosen, f"output={output}", *overrides]), resume)


@pytest.mark.exhaustive
@pytest.mark.parametrize("model", KWARGS)
def test_a_resumed_run_is_the_uninterrupted_one_to_the_last_bit(model, tmp_path):
    options = ("train.epochs=2", "train.ema_decay=0.9")
    names = check_resume(lambda out, resume: run(model, 2, out, *options, resume=resume), tmp_path)
    assert any(name.endswith("random_state") for name in names)


@pytest.mark.parametrize("model", exhaustive(KWARGS, ["acmix_swin_tiny"]))
def test_mixed_precision_trains(model, tmp_path):
    result = run(model, 1, tmp_path / "run", "train.amp=O2", "train.epochs=1")
    lines = (tmp_path / "run" / "metrics.jsonl").read_text()
    assert '"skipped": 0' in lines or '"scale"' in lines
    assert np.isfinite(result.metrics["top1"])
    tensors = read_checkpoint(tmp_path / "run" / "checkpoints" / "last.ckpt")[0]
    for name, value in tensors.items():
        assert np.isfinite(value.astype(np.float64)).all(), name
