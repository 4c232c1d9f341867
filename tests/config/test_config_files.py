"""Every YAML file of the repository loads, and round-trips."""

from __future__ import annotations

from pathlib import Path

import pytest

from acmix.config import load_config

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
FILES = sorted(path for path in CONFIGS.rglob("*.yaml") if "_base_" not in path.parts)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_config_file_loads(path):
    config = load_config(path)
    assert config.output == f"runs/{path.stem}"


def test_every_base_is_used():
    bases = {path.name for path in (CONFIGS / "_base_").glob("*.yaml")}
    used = {base for base in bases for path in CONFIGS.rglob("*.yaml") if base in path.read_text()}
    assert FILES
    assert used == bases
