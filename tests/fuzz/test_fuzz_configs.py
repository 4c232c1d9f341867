"""Any configuration is loaded or refused with a message; what is loaded can be written and read."""

import pytest
import yaml
from damages import answer_or_clear_error, answer_or_error, damaged
from hypothesis import given
from hypothesis import strategies as st

from acmix.cli import make_parser
from acmix.config import TASK_CONFIGS, Config, load_config
from acmix.config.yaml_text import dump_yaml, parse_yaml

DEFAULTS = [cls().to_dict() for cls in TASK_CONFIGS.values()]
SECTIONS = sorted({name for tree in DEFAULTS for name in tree if isinstance(tree[name], dict)})
KEYS = {
    section: sorted({key for tree in DEFAULTS for key in tree.get(section, ())})
    for section in SECTIONS
}

TEXTS = [
    dump_yaml({"task": tree["task"], section: tree[section]}).encode()
    for tree in DEFAULTS
    for section in SECTIONS
    if section in tree
]

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

FRAGMENTS = [
    "seed: ", "optim: ", "lr", "_base_: ", ": ", "- ", "? ", ", ", "\n", "  ", "x", "1", "1e400",
    "{", "}", "[", "]", "&a ", "*a", "<<: ", "'", '"', "\\x00", "|\n", "%YAML 1.1\n---\n", "#",
    "!!int ", "!!float ", "!!bool ", "!!binary ", "!!timestamp ", "!!set ", "!!omap ", "!!map ",
    "!!python/none ", "2001-99-99", "0x", "1_0", "1:99", "<<", "=", "\t", "\x85", "ä",
]  # fmt: skip
NASTY = ["1" + 400 * "0", ".nan", "-.inf", "-1", "0", "~", "[]", "[1, x]", "{1: 2}", "2001-01-01"]


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    folder = tmp_path_factory.mktemp("configs")
    (folder / "neighbour.yaml").write_text("seed: 1\n")
    return folder / "run.yaml"


def assert_loads_or_is_refused(file):
    config = answer_or_clear_error(load_config, file)
    assert config is None or Config.from_dict(config.to_dict()) == config


@given(text=st.sampled_from(TEXTS).flatmap(damaged))
def test_damaged_text(file, text):
    file.write_bytes(text)
    assert_loads_or_is_refused(file)


@given(text=st.lists(st.sampled_from(FRAGMENTS), max_size=9).map("".join) | st.text(max_size=60))
def test_arbitrary_text(file, text):
    file.write_text(text, encoding="utf-8", errors="surrogatepass")
    assert_loads_or_is_refused(file)


@pytest.mark.parametrize("value", NASTY, ids=lambda value: value[:8])
def test_nasty_value_under_every_key(value):
    for section in SECTIONS:
        for key in KEYS[section]:
            _, error = answer_or_error(load_config, None, [f"{section}.{key}={value}"])
            assert error is None or section in error


@given(tree=KNOWN | UNKNOWN | TREES)
def test_any_values_under_any_keys(file, tree):
    file.write_text(yaml.safe_dump(tree, allow_unicode=True), encoding="utf-8")
    assert_loads_or_is_refused(file)


@given(
    section=st.sampled_from(SECTIONS),
    value=TREES.map(lambda tree: yaml.safe_dump(tree, default_flow_style=True))
    | st.lists(st.sampled_from(FRAGMENTS), max_size=4).map("".join)
    | st.text(),
    data=st.data(),
)
def test_any_override(section, value, data):
    key = data.draw(st.sampled_from(KEYS[section]) | st.text(max_size=5))
    config, error = answer_or_error(load_config, None, [f"{section}.{key}={value}"])
    if config is None:
        assert error
    else:
        assert Config.from_dict(parse_yaml(config.to_yaml())) == config


WORDS = st.one_of(
    st.builds(
        "{}={}".format,
        st.sampled_from(["seed", "output", "optim.lr", "model.kwargs", "data.root", "x", "_base_"])
        | st.lists(st.text(max_size=3), max_size=4).map(".".join),
        st.lists(st.sampled_from(FRAGMENTS), max_size=3).map("".join) | st.text(max_size=8),
    ),
    st.sampled_from(["--resume", "auto", "--", "-", "-1", "--res", "--resume=x", "=", "c.yaml"]),
    st.text(st.characters(exclude_characters="\0"), max_size=5),
)


@given(words=st.lists(WORDS, max_size=6))
def test_any_command_line_is_taken_or_refused(words):
    options, error = answer_or_error(make_parser().parse_args, ["train", *words], error=SystemExit)
    if options is None:
        assert error in ("0", "2")  # argparse has printed the help, or why
        return
    config, error = answer_or_error(load_config, None, options.overrides)
    assert config is not None or error


@given(text=st.text(max_size=30) | st.lists(st.sampled_from(FRAGMENTS), max_size=4).map("".join))
def test_a_key_that_takes_text_takes_any(file, text):
    config = load_config(None, [f"model.pretrained={text}", f"data.root={text}"])
    expected = None if text in ("", "null") else text
    assert (config.model.pretrained, config.data.root) == (expected, expected)
    file.write_text(config.to_yaml(), encoding="utf-8", errors="strict")
    assert load_config(file) == config
