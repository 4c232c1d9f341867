"""Real rehearsals: MindSpore's back end on the stand-in device, in child processes."""

import json
import os
from pathlib import Path

import pytest
from rehearsing import needs_compiler, rehearse_program

from acmix.cli import main
from acmix.errors import UserError
from acmix.tools.rehearsal.recordings import Recordings
from acmix.tools.rehearsal.rehearse import rehearse

pytestmark = needs_compiler
ALL_KINDS = str(Path(__file__).with_name("all_kinds.py"))


@pytest.fixture(scope="module")
def refused(tmp_path_factory):
    """A rehearsal of all kinds of kernels, and its folder."""
    folder = tmp_path_factory.mktemp("rehearsal")
    before = dict(os.environ)
    result = rehearse(
        ALL_KINDS, ["thrice", "host", "refused"], jit_level="O0", computes=False, folder=folder
    )
    assert os.environ == before
    return result, folder


def test_every_operator_has_a_kernel_of_some_kind(refused):
    assert refused[0].kernels == {
        ("Conv2D", "aclop"): 1,
        ("ReLU", "aclnn"): 1,
        ("Reshape", "view"): 1,
        ("Lgamma", "AICPU"): 1,
        ("Median", "CPU"): 1,
    }
    assert refused[0].aicpu == {"CustLgamma": 3}  # launches
    assert refused[0].host == {"Median": 1}  # nodes


def test_launches_are_what_cann_was_asked(refused):
    assert refused[0].launches == {"aclnn": 3, "aclop": 6, "hccl": 0}
    asked = {call["op"]: call for call, _ in Recordings(refused[1]).distinct}
    assert asked.keys() == {"Conv2D", "aclnnRelu", "CustLgamma"}
    conv, relu = asked["Conv2D"], asked["aclnnRelu"]
    assert [operand["shape"] for operand in conv["in"]] == [[2, 2, 3, 3], [4, 2, 1, 1]]
    assert [operand["shape"] for operand in conv["out"]] == [[2, 4, 3, 3]]
    assert conv["attrs"]["groups"] == 1
    assert [operand["shape"] for operand in relu["args"]] == 2 * [[2, 4, 3, 3]]


def test_what_the_back_end_refuses_fails(refused):
    result, folder = refused
    assert result.exit_code == 1
    assert not result.passed
    assert len(result.refusals) == 1
    assert result.refusals[0].endswith("node is Default/Einsum-op0")
    assert "its error: RuntimeError: Ascend operator selection failed" in result.render()
    assert (folder / "output.txt").read_text().splitlines()[-1] == "device Ascend O0"


def test_a_folder_of_another_rehearsal_is_kept(refused):
    with pytest.raises(UserError, match=r"^output: .* is not empty, and would mix two rehearsals"):
        rehearse(ALL_KINDS, [], folder=refused[1])


@pytest.mark.exhaustive
def test_the_graph_engine_gets_whole_graphs(tmp_path):
    result = rehearse(ALL_KINDS, [], jit_level="O2", soc="Ascend910A", computes=False)
    assert result.passed, result.render()
    assert not result.launches.total()
    engine = json.loads(result.to_json())["graph_engine"]
    assert engine["Conv2D"] == engine["Relu"] == 1
    assert "Reshape" in engine


@pytest.mark.exhaustive
@pytest.mark.parametrize(("rank", "size"), [(3, 8), (63, 64)])
def test_a_rank_of_a_job_that_does_not_exist_compiles(rank, size, tmp_path):
    """With BatchNorms over all ranks; nothing is launched."""
    program = str(Path(__file__).with_name("simulated.py"))
    folder = tmp_path / "kept"
    result = rehearse_program(
        program, [], jit_level="O0", computes=False, simulated=(rank, size), folder=folder
    )
    assert (result.exit_code, result.refusals) == (0, ()), result.render()
    assert f"rank {rank} of {size}: 12 norms" in (folder / "output.txt").read_text()
    assert result.kernels["AllReduce", "HCCL"] > 4 * 12
    assert not result.launches.total()


@pytest.mark.parametrize("words", [["list"], ["bench", "models"]])
def test_several_ranks_only_train(words, capsys):
    assert main(["rehearse", "--ranks", "2", "--", *words]) == 2
    assert "--ranks 2: several ranks train together; rehearse 'train'" in capsys.readouterr().err


def test_the_command_line(tmp_path, capsys):
    """A command that prints, needs no device, and is asked for its report in a file."""
    file, folder = tmp_path / "report.json", tmp_path / "kept"
    words = ["rehearse", "--no-compute", "--json", str(file), "--output", str(folder), "--", "list"]
    assert main(words) == 1  # the device got nothing
    printed = capsys.readouterr().out
    assert printed.startswith("Nothing is computed, and nothing is run on Ascend: ")
    assert "acmix list: exit code 0, jit level MindSpore's default" in printed
    assert "The command gave the device nothing to do." in printed
    assert json.loads(file.read_text())["exit_code"] == 0
    assert "acmix_swin_tiny" in (folder / "output.txt").read_text()  # and not on the terminal
    assert "acmix_swin_tiny" not in printed


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["rehearse", "--", "env"], "a rehearsal rehearses no rehearsal"),
        (["bench", "models", "--no-such"], "unrecognized arguments: --no-such"),
        (["trian"], "unknown command 'trian'. Did you mean 'train'?"),
    ],
)
def test_a_wrong_word_ends_before_anything_is_built(words, message, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    try:
        code = main(["rehearse", "--", *words])
    except SystemExit as stop:
        code = stop.code
    assert code == 2
    assert message in capsys.readouterr().err
    assert [*tmp_path.iterdir()] == []
