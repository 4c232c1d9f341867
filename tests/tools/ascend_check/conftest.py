"""Fixtures of the check: the configuration of a tiny network, and a pretended machine."""

import os

import pytest
from tools.ascend_check.machines import Machine

from acmix.tools.ascend_check.runner import run_checks

TINY = """
data: {name: digits, image_size: 8, channels: 1, mean: [0.3], std: [0.3], crop_pct: 1.0,
       scale: null, num_workers: 1, batch_size: 128, hflip: 0.0}
optim: {lr: 0.01}
model: {name: acmix_resnet26, kwargs: {width: 8, depths: [1]}}
"""


@pytest.fixture
def config(tmp_path):
    file = tmp_path / "tiny.yaml"
    file.write_text(TINY)
    return file


@pytest.fixture
def machine(tmp_path, monkeypatch):
    machine = Machine(tmp_path)
    monkeypatch.setenv("PATH", f"{machine.bin}:{os.environ['PATH']}")
    monkeypatch.setenv("ASCEND_HOME_PATH", "/usr/local/Ascend")
    return machine


@pytest.fixture
def check(machine, config, tmp_path):
    """Run all steps on the pretended machine and return the results by name."""

    def run(progress=lambda _: None, **options):
        report = run_checks(
            tmp_path / "out", config, execute=machine.execute, progress=progress, **options
        )
        return {step.name: step for step in report.steps}

    return run
