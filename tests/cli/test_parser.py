"""The parser: one protocol, near names, any order, quick help, completion."""

import importlib
import resource
import subprocess
import sys
from argparse import ArgumentParser

import pytest

from acmix.cli import COMMANDS, main, make_parser


def modules(package="acmix.cli.commands", names=COMMANDS):
    """Yield every command's module, with those of families."""
    for name in names:
        module = importlib.import_module(f"{package}.{name.replace('-', '_')}")
        yield name, module
        if hasattr(module, "COMMANDS"):
            yield from modules(module.__name__, module.COMMANDS)


@pytest.mark.parametrize(("name", "module"), [*modules()], ids=lambda value: str(value)[:30])
def test_every_command_keeps_the_protocol(name, module):
    assert name == module.NAME
    assert module.HELP.endswith(".")
    family = module.__name__.removeprefix("acmix.cli.commands").rpartition(".")[0]
    assert module.EXAMPLE.startswith("acmix" + family.replace(".", " ") + f" {name}")
    if not hasattr(module, "COMMANDS"):
        module.add_arguments(ArgumentParser())
        assert callable(module.run)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["trian"], "acmix: error: unknown command 'trian'. Did you mean 'train'?"),
        (
            ["bench", "modles"],
            "acmix bench: error: unknown command 'modles'. Did you mean 'models'?",
        ),
        (["analyze", "path_bias"], "unknown command 'path_bias'. Did you mean 'path-bias'?"),
        (["zzz"], "Known: ablate, analyze"),
        (["bench"], "required: COMMAND"),
        (["bench", "table", "shfit"], "invalid choice: 'shfit'"),
        (
            ["bench", "scaling", "a.yaml", "--fuse"],
            "acmix bench scaling: error: unrecognized arguments: --fuse",
        ),
        (["ablate", "a.yaml", "--set", "seed=1", "--output", "x"], "unrecognized arguments: --set"),
    ],
)
def test_a_word_that_is_not_known_ends_with_code_2(arguments, message, capsys):
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["audit", "retinanet_acmix_pvt_tinny"], "Did you mean 'retinanet_acmix_pvt_tiny'"),
        (["summary", "acmix_swin_tinny"], "Did you mean 'acmix_swin_tiny'"),
        (["bench", "models", "acmix_swin_tinny"], "Did you mean 'acmix_swin_tiny'"),
    ],
)
def test_a_name_that_is_not_registered_suggests_the_near_one(arguments, message, capsys):
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert message in error
    assert len(error.splitlines()) == 1


@pytest.mark.parametrize(
    "line",
    [
        "train c.yaml seed=1 optim.lr=1 --resume auto",
        "train c.yaml --resume auto seed=1 optim.lr=1",
        "train --resume auto c.yaml seed=1 optim.lr=1",
        "train seed=1 --resume=auto c.yaml optim.lr=1",
        "train seed=1 optim.lr=1 c.yaml --resum auto",
        "train --resume auto -- c.yaml seed=1 optim.lr=1",
        "train seed=1 --resume auto c.yaml -- optim.lr=1",
    ],
)
def test_options_files_and_overrides_in_any_order(line):
    options = make_parser().parse_args(line.split())
    assert (options.config, options.resume) == ("c.yaml", "auto")
    assert options.overrides == ["seed=1", "optim.lr=1"]


@pytest.mark.parametrize(
    ("line", "names", "values"),
    [
        ("plan c.yaml --devices 8 64 seed=1 --json -", ("devices",), ([8, 64],)),
        ("plan --devices 8 64 seed=1 --json - c.yaml", ("devices",), ([8, 64],)),
        ("prepare seed=1 c.yaml --mindrecord out", ("output",), ("out",)),
        ("eval c.yaml --per-class --checkpoint a=b seed=1", ("checkpoint",), ("a=b",)),
        ("export seed=1 --format onnx --checkpoint a c.yaml --output o", ("format",), ("onnx",)),
    ],
)
def test_an_override_is_no_value_of_an_option_of_several_values(line, names, values):
    options = make_parser().parse_args(line.split())
    assert (options.config, options.overrides) == ("c.yaml", ["seed=1"])
    assert tuple(getattr(options, name) for name in names) == values


def test_a_command_without_overrides_takes_names_with_an_equals_sign():
    words = ["predict", "a.onnx", "x=1.png", "--top", "3", "--", "-y.png"]
    options = make_parser().parse_args(words)
    assert (options.images, options.top) == (["x=1.png", "-y.png"], 3)


def test_options_may_stand_between_overrides():
    words = ["train", "a.yaml", "seed=1", "--resume", "auto", "optim.lr=1", "optim.name=sgd"]
    options = make_parser().parse_args(words)
    assert options.config == "a.yaml"
    assert options.overrides == ["seed=1", "optim.lr=1", "optim.name=sgd"]
    words = ["bench", "data", "seed=1", "a.yaml", "--seconds", "1", "optim.lr=1"]
    assert make_parser().parse_args(words).config == ["a.yaml", "seed=1", "optim.lr=1"]


def test_the_parser_needs_none_of_the_slow_libraries():
    program = (
        "import sys\n"
        "from acmix.cli import make_parser\n"
        "make_parser()\n"
        "print(*{'mindspore', 'numpy', 'matplotlib', 'cv2', 'shtab'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == []


@pytest.mark.parametrize("options", [[], ["--detectors"]])
def test_names_are_listed_without_mindspore(options):
    program = (
        "import sys\n"
        "from acmix.cli import main\n"
        f"main(['list', *{options}])\n"
        "sys.exit('mindspore' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "acmix_swin_tiny" in done.stdout


def test_help_answers_at_once():
    seconds = []
    for _ in range(3):
        start = processor_time()
        done = subprocess.run([sys.executable, "-m", "acmix", "--help"], capture_output=True)
        seconds.append(processor_time() - start)
        assert done.returncode == 0
        assert b"acmix" in done.stdout
    assert min(seconds) < 0.5


def processor_time():
    """Return the seconds that ended children have computed: a busy machine makes them wait."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@pytest.mark.parametrize("shell", ["bash", "zsh", "tcsh"])
def test_completion_prints_a_script(shell, capsys):
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out
    assert "check-ascend" in script
    assert "acmix list" in script


COMPLETE = """
acmix() {{ if [ "$*" = list ]; then echo swin_tiny swin_small; else echo retinanet_swin_tiny; fi; }}
{script}
COMP_WORDS=({words} "$1"); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
_shtab_acmix 2>/dev/null
echo "${{COMPREPLY[@]}}"
"""


@pytest.mark.parametrize(
    ("words", "typed", "expected"),
    [
        ("acmix", "tr", {"train"}),
        ("acmix bench", "", {"models", "table", "data", "scaling", "formulations"}),
        ("acmix bench table", "", {"models", "shift", "detectors", "segmentation"}),
        ("acmix bench models", "swin", {"swin_tiny", "swin_small"}),
        ("acmix summary", "retina", {"retinanet_swin_tiny"}),
        ("acmix audit", "swin_t", {"swin_tiny", "swin_there.yaml"}),
        ("acmix train", "swin", {"swin_there.yaml"}),
        ("acmix export a.yaml", "--form", {"--format"}),
    ],
)
def test_bash_completes_commands_files_and_models(words, typed, expected, tmp_path, capsys):
    (tmp_path / "swin_there.yaml").touch()
    main(["completion", "bash"])
    program = COMPLETE.format(script=capsys.readouterr().out, words=words)
    done = subprocess.run(
        ["bash", "-c", program, "bash", typed], cwd=tmp_path, capture_output=True, text=True
    )
    assert set(done.stdout.split()) == expected, done.stderr


def test_a_file_that_several_tasks_can_write_is_one_option(capsys):
    with pytest.raises(SystemExit):
        main(["eval", "--help"])
    text = " ".join(capsys.readouterr().out.split())
    assert text.count("--confusion FILE") == 2  # the usage, and the option
    assert "classification: draw the confusion matrix (PNG); segmentation: draw" in text
