"""What all commands share: files among overrides, --json, --load."""

import json
from pathlib import Path

import pytest

from acmix.cli import main
from acmix.cli.arguments import JsonOutput, load_files, split_overrides
from acmix.errors import UserError

ROOT = Path(__file__).resolve().parents[2]
COUNTS = ROOT / "docs" / "results" / "models.json"


@pytest.mark.parametrize(
    ("argument", "is_override"),
    [
        ("optim.lr=1e-3", True),
        ("output=runs/a.yaml", True),
        ("model={name: swin_tiny, kwargs: {depths: [1, 1]}}", True),
        ("model.kwargs={" + "a" * 5000 + ": 1}", True),
        ("run.yaml", False),
        ("acmix_swin_tiny", False),
        ("runs/lr=1e-3/checkpoints/last.ckpt", False),
        ("./lr=1.yaml", False),
        ("--lr=1", False),
        ("1e-3=lr", False),
        ("optim.=1", False),
    ],
)
def test_an_override_begins_with_a_dotted_key(argument, is_override):
    assert split_overrides([argument]) == (([], [argument]) if is_override else ([argument], []))


def test_what_exists_is_a_file_whatever_it_is_called(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("seed=1").touch()
    files, overrides = split_overrides(["seed=2", "seed=1", "a.yaml", "output=x"])
    assert files == ["seed=1", "a.yaml"]
    assert overrides == ["seed=2", "output=x"]


def test_loaded_files_may_be_patterns_and_folders(tmp_path):
    for name in ("a1.json", "a2.json", "[b].json"):
        (tmp_path / name).touch()
    asked = [str(tmp_path / name) for name in ("a*.json", "[b].json")] + [str(tmp_path)]
    names = ["a1.json", "a2.json", "[b].json", tmp_path.name]
    assert [path.name for path in load_files(asked)] == names


def test_a_pattern_without_a_file_is_named(tmp_path):
    (tmp_path / "a.json").touch()
    with pytest.raises(UserError, match=r"--load: .*b\*\.json does not exist"):
        load_files([str(tmp_path / "a.json"), str(tmp_path / "b*.json")])


LOADS = [
    ["summary", "--load", str(COUNTS)],
    ["summary", "--table", "paper", "--load", str(COUNTS)],
    ["bench", "models", "--load", str(ROOT / "docs/results/speed-swin-cpu.json")],
    ["bench", "table", "--load", str(ROOT / "docs/results/speed-shift-cpu.json")],
    ["bench", "scaling", "--load", str(ROOT / "docs/results/scaling-digits-cpu.json")],
    ["audit", "--load", str(ROOT / "docs/ascend/swin.json")],
]


@pytest.mark.parametrize("arguments", LOADS, ids=lambda words: " ".join(words[:3]))
def test_a_result_is_printed_alone_or_written_beside_the_table(arguments, tmp_path, capsys):
    kept = json.loads(Path(arguments[-1]).read_text())
    assert main([*arguments, "--json", "-"]) == 0
    assert json.loads(capsys.readouterr().out) == kept
    file = tmp_path / "new" / "result.json"
    assert main([*arguments, "--json", str(file)]) == 0
    assert capsys.readouterr().out.count("\n") > 5
    assert json.loads(file.read_text()) == kept


def test_one_file_of_json_holds_one_result(tmp_path, capsys):
    results = [str(ROOT / f"docs/results/speed-{name}-cpu.json") for name in ("swin", "resnet")]
    assert main(["bench", "models", "--load", *results, "--json", str(tmp_path / "x.json")]) == 2
    assert "--json: holds one result" in capsys.readouterr().err


def test_an_audit_is_loaded_like_an_inventory(tmp_path, capsys):
    small = ["resnet26", "model.kwargs={width: 8, depths: [1, 1, 1, 1]}", "--input-size", "32"]
    file = tmp_path / "audit.json"
    assert main(["audit", *small, "--json", str(file)]) == 0
    capsys.readouterr()
    assert main(["audit", "--load", str(file)]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("1 graphs: 1 PASS.")
    assert "Conv2D" in printed


def test_a_json_of_something_else_is_no_inventory(capsys):
    assert main(["audit", "--load", str(COUNTS)]) == 2
    assert "is not an inventory" in capsys.readouterr().err


def test_overrides_of_a_run_are_refused(capsys):
    assert main(["analyze", "path-bias", "a.ckpt", "seed=1", "--output", "x"]) == 2
    assert "seed=1: overrides are for --model" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["-", "numbers.json"])
def test_json_has_null_where_there_is_no_number(name, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    JsonOutput(name).write(json.dumps({"cat": float("nan"), "dog": [float("inf"), 0.5]}))
    text = capsys.readouterr().out if name == "-" else Path(name).read_text()
    assert json.loads(text) == {"cat": None, "dog": [None, 0.5]}
    assert "NaN" not in text
