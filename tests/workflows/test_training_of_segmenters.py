"""Training a segmenter: a resumed run is the uninterrupted one to the last bit."""

import pytest
from interrupted import check_resume
from tiny_ade20k import make_ade20k

from acmix import workflows
from acmix.config import load_config

SMALL = (
    "task=segmentation",
    "data.name=ade20k",
    "data.batch_size=2",
    "data.num_workers=1",
    "data.short_side=32",
    "data.long_side=64",
    "data.crop_size=32",
    "model.name=acmix_swin_tiny",
    "model.kwargs={patch_size: 4, embed_dim: 8, depths: [1, 1], num_heads: [1, 2], window_size: 4,"
    " out_indices: [0, 1]}",
    "model.drop_path_rate=0.3",
    "segmenter.name=upernet",
    "segmenter.kwargs={channels: 8, auxiliary_channels: 8, dropout: 0.1}",
    "schedule.warmup_steps=1",
    "train.steps=4",
    "train.eval_steps=2",
    "train.ema_decay=0.9",
    "runtime.mode=pynative",
)


@pytest.mark.exhaustive
def test_a_resumed_run_is_the_uninterrupted_one_to_the_last_bit(tmp_path):
    root = make_ade20k(tmp_path / "ade")

    def train(output, resume):
        workflows.train(
            load_config(None, [*SMALL, f"data.root={root}", f"output={output}"]), resume
        )

    names = check_resume(train, tmp_path)
    assert sum(name.endswith("random_state") for name in names) >= 2  # drop path and dropout
