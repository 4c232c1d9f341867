"""Any configuration is loaded or refused with a message; what is loaded can be written and read."""

from pathlib import Path

import pytest
import yaml
from damages import answer_or_clear_error, answer_or_error, damaged
from hypothesis import given
from hypothesis import strategies as st

from acmix.config import Config, load_config
from acmix.config.yaml_text import dump_yaml, parse_yaml

TEXTS = [
    dump_yaml(Config().to_dict()).encode(),
    *sorted(
        path.read_bytes()
        for path in (Path(__file__).parents[2] / "configs").rglob("*.yaml")
        if "_base_" in path.parts
    ),
]
SECTIONS = sorted(name for name, value in Config().to_dict().items() if isinstance(value, dict))
KEYS = {section: sorted(Config().to_dict()[section]) for section in SECTIONS}

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(10**300, 10**320),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(["auto", "adamw", "O2", "dynamic", "digits", "detection", "\0", "../x", "ä"]),
)
TREES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(SCALARS, inner, max_size=3),
    max_leaves=6,
)
KNOWN = st.sampled_from(SECTIONS).flatmap(
    lambda section: st.fixed_dictionaries(
        {section: st.dictionaries(st.sampled_from(KEYS[section]), TREES, max_size=3)}
    )
)
UNKNOWN = st.dictionaries(st.sampled_from([*SECTIONS, "seed", "output", "_base_"]) | SCALARS, TREES)


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    folder = tmp_path_factory.mktemp("configs")
    (folder / "neighbour.yaml").write_text("seed: 1\n")
    return folder / "run.yaml"


def assert_loads_or_is_refused(file):
    config = answer_or_clear_error(load_config, file)
    if config is not None:
        assert Config.from_dict(parse_yaml(config.to_yaml())) == config


@given(text=st.sampled_from(TEXTS).flatmap(damaged))
def test_damaged_text(file, text):
    file.write_bytes(text)
    assert_loads_or_is_refused(file)


@given(text=st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
def test_arbitrary_bytes(file, text):
    file.write_bytes(text)
    assert_loads_or_is_refused(file)


@given(tree=KNOWN | UNKNOWN | TREES)
def test_any_values_under_any_keys(file, tree):
    file.write_text(yaml.safe_dump(tree, allow_unicode=True), encoding="utf-8")
    assert_loads_or_is_refused(file)


@given(
    section=st.sampled_from(SECTIONS),
    value=TREES.map(lambda tree: yaml.safe_dump(tree, default_flow_style=True)) | st.text(),
    data=st.data(),
)
def test_any_override(section, value, data):
    key = data.draw(st.sampled_from(KEYS[section]) | st.text(max_size=5))
    config, error = answer_or_error(load_config, None, [f"{section}.{key}={value}"])
    if config is None:
        assert error
    else:
        assert Config.from_dict(parse_yaml(config.to_yaml())) == config
