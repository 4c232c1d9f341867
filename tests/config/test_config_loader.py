"""Files over bases, overrides, and errors that say where the mistake is."""

from __future__ import annotations

import dataclasses
import os

import pytest

from acmix.config import ClassificationConfig, load_config
from acmix.errors import UserError


@pytest.fixture
def write(tmp_path):
    def _write(name: str, text: str):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    return _write


def test_empty_file_gives_the_defaults_and_an_output_named_after_it(write):
    config = load_config(write("mine.yaml", ""))
    assert config == ClassificationConfig(output="runs/mine")


def test_later_bases_win_and_the_file_wins_over_its_bases(write):
    write("base/a.yaml", "optim: {lr: 0.1, momentum: 0.5}\ntrain: {epochs: 1}\nseed: 1")
    write("base/b.yaml", "optim: {lr: 0.2}\ntrain: {epochs: 2}")
    path = write("leaf.yaml", "_base_: [base/a.yaml, base/b.yaml]\ntrain: {epochs: 3}")
    config = load_config(path)
    assert (config.seed, config.optim.momentum) == (1, 0.5)
    assert (config.optim.lr, config.train.epochs) == (0.2, 3)


def test_bases_are_relative_to_the_file_that_names_them(write):
    write("base/root.yaml", "seed: 7")
    write("base/middle.yaml", "_base_: root.yaml")
    assert load_config(write("leaf.yaml", "_base_: base/middle.yaml")).seed == 7


def test_free_form_arguments_merge_key_by_key_and_lists_become_tuples(write):
    write("base.yaml", "model: {kwargs: {depths: [2, 2], window_size: 7}}")
    path = write("leaf.yaml", "_base_: base.yaml\nmodel: {kwargs: {window_size: 4}}")
    assert load_config(path).model.kwargs == {"depths": (2, 2), "window_size": 4}


def test_override_of_a_mapping_replaces_it(write):
    path = write("c.yaml", "model: {kwargs: {depths: [2, 2]}}")
    assert load_config(path, ["model.kwargs={}"]).model.kwargs == {}
    kwargs = load_config(path, ["model.kwargs.window_size=4"]).model.kwargs
    assert kwargs == {"depths": (2, 2), "window_size": 4}


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("optim.lr=1e-3", 1e-3),
        ("optim.lr=1E+2", 100.0),
        ("optim.lr=.5e-1", 0.05),
        ("optim.lr=2", 2.0),
        ("optim.clip_norm=null", None),
        ("optim.nesterov=true", True),
        ("optim.betas=[0.8, 9e-1]", (0.8, 0.9)),
        ("train.loss_scale=dynamic", "dynamic"),
        ("train.loss_scale=1024", 1024.0),
        ("data.root=/a=b", "/a=b"),
        ("model.pretrained=1e5.ckpt", "1e5.ckpt"),
    ],
)
def test_overrides_are_yaml_values(write, override, expected):
    config = load_config(write("c.yaml", "optim: {clip_norm: 3}"), [override])
    section, field = override.partition("=")[0].split(".")
    value = getattr(getattr(config, section), field)
    assert value == expected
    assert type(value) is type(expected)


TEXTS = [
    "runs/try #2", "#1", "2024_11_25", "2024-11-25", "12:30:00", "no", "true", "1e5", "0x10",
    "010", "3", "-1", ".5", "~", "a: b", "'quoted'", '"quoted"', "[x", "{x", "]", " x", "x ", "*x",
    "&x", "!x", "%x", "@x", "`x", "|", ">", "- x", "? x", "x,y", "x=y", "\t", "line\nbreak", "\\n",
    "ü", "\udce9", "\x85", "\u2028", "\ufeff", "NULL", "null.ckpt", "<<", "=",
]  # fmt: skip


@pytest.mark.parametrize("text", TEXTS)
def test_a_key_that_takes_text_takes_it_as_it_is(write, text):
    keys = ("model.pretrained", "data.root", *(["output"] if text.strip() else []))
    config = load_config(write("c.yaml", ""), [f"{key}={text}" for key in keys])
    values = {"output": config.output, "data.root": config.data.root}
    assert [values.get(key, config.model.pretrained) for key in keys] == [text] * len(keys)
    again = write("again.yaml", config.to_yaml())
    assert load_config(again) == config


@pytest.mark.parametrize("text", ["", " "])
def test_a_run_folder_without_a_name_is_refused(write, text):  # it would be the current folder
    with pytest.raises(UserError, match="output is empty; name a folder for the run"):
        load_config(write("c.yaml", ""), [f"output={text}"])


@pytest.mark.parametrize("text", ["", "null"])
def test_a_key_that_also_takes_null_takes_it(write, text):
    path = write("c.yaml", "data: {root: /a}\noptim: {clip_norm: 3}")
    config = load_config(path, [f"data.root={text}", f"optim.clip_norm={text}"])
    assert (config.data.root, config.optim.clip_norm) == (None, None)


def test_the_task_of_a_later_override_decides_what_type_a_key_has(write):
    overrides = ["data.name=shapes", "detector.name=retinanet", "task=detection"]
    assert load_config(write("c.yaml", ""), overrides).detector.name == "retinanet"


@pytest.mark.parametrize(
    ("text", "value"),
    [("010", 10), ("0x1F", 31), ("0o17", 15), ("+5", 5), ("2024-11-25", "2024-11-25"),
     ("1_0", "1_0"), ("1:30", "1:30"), ("1e5", 1e5), ("5.", 5.0), ("'1'", "1"), ("off", False)],
)  # fmt: skip
def test_scalars_are_those_of_yaml_1_2_but_for_the_booleans(write, text, value):
    kwargs = load_config(write("c.yaml", f"model: {{kwargs: {{a: {text}}}}}")).model.kwargs
    assert kwargs == {"a": value}
    assert type(kwargs["a"]) is type(value)


def test_the_last_of_two_overrides_wins(write):
    assert load_config(write("c.yaml", ""), ["seed=1", "seed=2"]).seed == 2


@pytest.mark.parametrize(
    ("override", "parts"),
    [
        ("optim.lrr=1", ["'optim.lrr'", "Did you mean 'lr'"]),
        ("optm.lr=1", ["'optm'", "Did you mean 'optim'"]),
        ("lr=1", ["'lr'", "Did you mean 'optim.lr'"]),
        ("optim.lr=-1", ["optim.lr", "> 0", "-1"]),
        ("optim.lr=fast", ["optim.lr", "a number", "'fast'"]),
        ("optim.lr=.nan", ["optim.lr", "finite"]),
        ("optim.lr=true", ["optim.lr", "a number", "True"]),
        ("optim.betas=[0.9]", ["optim.betas", "2 values"]),
        ("optim.betas=[0.9, 1]", ["optim.betas", "< 1"]),
        ("optim=3", ["optim", "section", "3"]),
        ("train.epochs=0", ["train.epochs", ">= 1", "0"]),
        ("train.epochs=1.5", ["train.epochs", "an integer", "1.5"]),
        ("train.loss_scale=high", ["train.loss_scale", "'dynamic'", "'high'"]),
        ("runtime.device=cpu", ["runtime.device", "Did you mean 'CPU'"]),
        ("data.channels=2", ["data.channels", "1, 3"]),
        ("model.kwargs.d=!!timestamp 2020-01-01", ["model.kwargs"]),
        ("train.epochs=1_000", ["train.epochs", "an integer", "'1_000'"]),
        ("train.epochs=1:30", ["train.epochs", "an integer", "'1:30'"]),
        ("train.epochs=2 #3", ["drop the comment behind '#'"]),
        ("model.kwargs.a=[1, 2] # x", ["drop the comment behind '#'"]),
        ("data.scale=[0.1, 1]#", ["drop the comment behind '#'"]),
        ("seed=4294967296", ["seed", "<= 4294967295"]),
        ("train.epochs=9223372036854775808", ["train.epochs", "an integer of at most 64 bits"]),
        ("model.kwargs.a=9223372036854775808", ["model.kwargs", "an integer of at most 64 bits"]),
        ("optim.lr", ["key=value"]),
        ("=1", ["key=value"]),
        ("optim.lr=[", ["not valid YAML"]),
    ],
)
def test_a_wrong_override_is_named_with_the_remedy(write, override, parts):
    with pytest.raises(UserError) as error:
        load_config(write("c.yaml", ""), [override])
    for part in [f"override '{override}'", *parts]:
        assert part in str(error.value)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("optim: {lrr: 1}", ["'optim.lrr'", "Did you mean 'lr'"]),
        ("optim: [1]", ["optim", "section"]),
        ("- 1", ["'key: value' pairs"]),
        ("seed: 1\nseed: 2", ["'seed' is given twice"]),
        ("seed: [", ["not valid YAML"]),
        ("_base_: 3", ["_base_", "3"]),
        ("_base_: missing.yaml", ["missing.yaml"]),
    ],
)
def test_a_wrong_file_is_named_even_when_it_is_a_base(write, text, parts):
    write("wrong.yaml", text)
    with pytest.raises(UserError) as error:
        load_config(write("leaf.yaml", "_base_: wrong.yaml"))
    for part in ["missing.yaml" if "missing" in text else "wrong.yaml", *parts]:
        assert part in str(error.value)


def test_a_mistake_in_a_base_is_reported_although_the_leaf_overrides_it(write):
    write("base.yaml", "seed: -1")
    with pytest.raises(UserError, match=r"base\.yaml: seed"):
        load_config(write("leaf.yaml", "_base_: base.yaml\nseed: 1"))


BOMB = "a0: &a0 [1, 1]\n" + "".join(
    f"a{i}: &a{i} [{', '.join(8 * [f'*a{i - 1}'])}]\n" for i in range(1, 12)
)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (BOMB, "more than 100000 values"),
        ("model: &m {kwargs: {m: *m}}", r"'\*m' stands for what it is part of"),
        ("[" * 100_000, "nested deeper than 50 levels"),
        ("seed: 1\n" + "#" * 2**20, "longer than 1048576 characters"),
        ("seed: !!python/object/apply:os.getpid []", "could not determine a constructor"),
        ("seed: !!timestamp 2001-99-99", "a value that cannot be read: month"),
        ("seed: !!int ten", "'ten' is not an integer"),
        ("seed: !!int 1:30", "'1:30' is not an integer"),
        ("seed: 0x" + 5000 * "f", "a number of more than 1000 characters"),
        ("optim: {lr: " + 5000 * "1" + "}", "a number of more than 1000 characters"),
        ("seed: " + ":".join(200 * ["59"]), "seed must be an integer"),
        ("x" * 1000 + ": 1", r"unknown key 'x{77}\.\.\.'"),
        ("seed: " + "x" * 10_000, "seed must be an integer.*got 'x{190,196}"),
        ("task: " + "x" * 10_000, "task must be one of"),
        ('model: {name: "\\ud800"}\nseed: x', "seed must be an integer"),
        ("optim: {lr: 1" + 400 * "0" + "}", "optim.lr must be a finite number"),
        ('_base_: "a\\0b.yaml"', "cannot read the configuration: .*null"),
    ],
    ids=lambda text: text[:12].strip() if text[:1] in "ostmx" else None,
)
def test_text_made_to_harm_is_refused_in_a_short_line(write, text, reason):
    with pytest.raises(UserError, match=reason) as error:
        load_config(write("harm.yaml", text))
    assert len(str(error.value)) < 1000


def test_aliases_of_what_is_small_are_read(write):
    path = write("c.yaml", "model: {kwargs: {depths: &d [2, 2], num_heads: *d}}")
    assert load_config(path).model.kwargs["num_heads"] == (2, 2)


@pytest.mark.parametrize("kind", ["device", "pipe", "folder", "Latin-1"])
def test_what_is_no_text_file_is_refused_by_its_name(tmp_path, kind):
    path = tmp_path / "c.yaml"
    if kind == "device":
        path = "/dev/zero"
    elif kind == "pipe":  # opening it would wait for a writer
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        path.write_bytes("output: caf\xe9".encode("latin-1"))
    with pytest.raises(UserError, match=f"cannot read the configuration: {path}"):
        load_config(path)


def test_bases_that_double_are_refused_at_once(write):
    for level in range(25):
        write(f"{level}.yaml", f"_base_: [{level + 1}.yaml, {level + 1}.yaml]")
    write("25.yaml", "seed: 1")
    with pytest.raises(UserError, match="more than 100 files by way of _base_"):
        load_config(write("c.yaml", "_base_: 0.yaml"))


def test_bases_in_a_circle_are_refused(write):
    path = write("a.yaml", "_base_: b.yaml")
    write("b.yaml", "_base_: a.yaml")
    with pytest.raises(UserError, match="circle"):
        load_config(path)


def test_a_base_shared_by_two_bases_is_no_circle(write):
    write("root.yaml", "seed: 5")
    write("a.yaml", "_base_: root.yaml")
    write("b.yaml", "_base_: root.yaml")
    assert load_config(write("leaf.yaml", "_base_: [a.yaml, b.yaml]")).seed == 5


def test_missing_file_is_named(tmp_path):
    with pytest.raises(UserError, match=r"nowhere\.yaml"):
        load_config(tmp_path / "nowhere.yaml")


def test_resolved_yaml_loads_to_the_identical_config(write):
    overrides = [
        "optim.eps=1e-8",
        "optim.lr=3.3e-4",
        "data.ratio=[0.7, 1.3]",
        "model.kwargs={depths: [2, [3, 4]], name: 'on', rate: 1e-5, none: null, flag: false}",
        "output=runs/ü: 1",
        "model.pretrained=1e5",
    ]
    config = load_config(write("c.yaml", ""), overrides)
    again = load_config(write("resolved.yaml", config.to_yaml()))
    assert again == config
    assert again.to_yaml() == config.to_yaml()


def test_config_cannot_be_changed(write):
    config = load_config(write("c.yaml", ""))
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.optim.lr = 1.0
