"""The keys of configurations as `acmix config` tells them, against the classes and the loader."""

import dataclasses
import json
from itertools import groupby
from pathlib import Path

import pytest

from acmix.cli import main
from acmix.config import TASK_CONFIGS, load_config
from acmix.config.options import all_options, as_yaml, keys_called, options_of, resolved
from acmix.config.yaml_text import parse_yaml

CONFIGS = sorted(Path(__file__).parents[2].glob("configs/[!_]*/*.yaml"))


def leaves(tree, prefix=""):
    for key, value in tree.items():
        if isinstance(value, dict) and key != "kwargs":
            yield from leaves(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value


@pytest.mark.parametrize("task", TASK_CONFIGS)
def test_every_key_is_there_with_its_default_and_a_meaning(task):
    known = {option.key: option for option in options_of(TASK_CONFIGS[task])}
    defaults = dict(leaves(TASK_CONFIGS[task]().to_dict()))
    assert known.keys() == defaults.keys()
    for key, option in known.items():
        assert parse_yaml(option.default) == defaults[key]
        assert option.type
        assert option.meaning.endswith("."), key


def test_ranges_and_choices_are_named():
    types = {option.key: option.type for option in options_of(TASK_CONFIGS["classification"])}
    assert types["optim.lr"] == "number > 0"
    assert types["train.epochs"] == "integer >= 1"
    assert types["train.ema_decay"] == "number >= 0 and < 1 or null"
    assert types["runtime.mode"] == "graph, pynative"
    assert types["data.scale"] == "list of 2 x number > 0 and <= 1 or null"
    assert types["data.mean"] == "list of number"
    assert types["model.kwargs"] == "mapping"
    assert types["output"] == "text"


def test_a_key_that_differs_between_tasks_is_there_for_each():
    tasks = {tasks for option, tasks in all_options().items() if option.key == "data.name"}
    assert tasks == {(task,) for task in TASK_CONFIGS}
    shared = [tasks for option, tasks in all_options().items() if option.key == "optim.lr"]
    assert shared == [tuple(TASK_CONFIGS)]
    keys = [option.key for option in all_options()]
    sections = [key.rpartition(".")[0] for key in keys]
    assert len(list(groupby(sections))) == len(set(sections))


@pytest.mark.parametrize("file", CONFIGS, ids=lambda file: file.stem)
def test_a_resolved_configuration_is_yaml_of_the_same_and_names_what_differs(file):
    config = load_config(file)
    values, defaults = config.to_dict(), type(config)().to_dict()
    text = resolved(values, defaults)
    assert parse_yaml(text) == values
    differing = [key for key, value in leaves(values) if value != dict(leaves(defaults))[key]]
    assert text.count("  # default: ") == len(differing)


@pytest.mark.parametrize(
    "value",
    ["no", "null", "2024", "1e3", "a b", "a: b", "#x", "", "x.y/z", "Ä", "-", "a\nb", 0.1, 4 / 3,
     1e-8, 3, True, None, [1, "no"], (0.5, None), {"a b": [1], "c": {}}],
)  # fmt: skip
def test_values_are_yaml_in_one_line(value):
    text = as_yaml(value)
    assert "\n" not in text
    plain = json.loads(json.dumps(value))
    assert parse_yaml(text) == plain


def test_the_command_finds_keys_by_pattern_name_and_meaning(capsys, tmp_path):
    assert main(["config", "schedule.warmup_*"]) == 0
    printed = capsys.readouterr().out
    assert printed.count("schedule.warmup_") == 3
    assert main(["config", "WARM-UP"]) == 0
    assert "optim.lr = 0.001  (number > 0)" in capsys.readouterr().out
    assert main(["config", "ema", "--json", str(tmp_path / "keys.json")]) == 0
    (entry,) = [
        entry
        for entry in json.loads((tmp_path / "keys.json").read_text())
        if entry["key"] == "train.ema_decay"
    ]
    assert entry["tasks"] == list(TASK_CONFIGS)
    assert main(["config", "no such key"]) == 2
    assert "no key, and no meaning of one, matches" in capsys.readouterr().err


def test_the_command_shows_a_file_with_its_overrides(capsys):
    file = str(CONFIGS[0].parents[1] / "classification" / "digits_acmix_swin.yaml")
    assert main(["config", file, "train.epochs=3"]) == 0
    printed = capsys.readouterr().out
    assert "  epochs: 3  # default: 100\n" in printed
    assert parse_yaml(printed) == load_config(file, ["train.epochs=3"]).to_dict()
    assert main(["config", "optim.lr=0.5"]) == 0  # of the defaults
    assert "  lr: 0.5  # default: 0.001\n" in capsys.readouterr().out


def test_an_option_that_is_a_key_is_told_as_an_override(capsys):
    assert keys_called("epochs") == ["train.epochs"]
    for given in (["--epochs", "3"], ["--epochs=3"]):
        with pytest.raises(SystemExit):
            main(["train", "x.yaml", *given])
        assert "Write train.epochs=3" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["train", "x.yaml", "--batch-size"])
    assert "Write data.batch_size=VALUE" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["list", "--epochs", "3"])  # takes no overrides
    assert "Write" not in capsys.readouterr().err


def test_fields_of_a_section_that_others_derive_from_keep_their_meaning():
    from acmix.config.sections import OptimConfig

    @dataclasses.dataclass(frozen=True)
    class Derived(OptimConfig, prefix="optim"):
        more: int = 1
        """Of the derived class."""

    meanings = {option.key: option.meaning for option in options_of(Derived)}
    assert meanings["optim.more"] == "Of the derived class."
    assert meanings["optim.lr"].startswith("Peak learning rate")
