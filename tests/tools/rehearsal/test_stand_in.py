"""Building the stand-ins, and what they must have."""

import os
import re
import shutil
from pathlib import Path

import pytest

from acmix.cli import main
from acmix.errors import UserError
from acmix.tools.rehearsal import stand_in as module
from acmix.tools.rehearsal import wheel as wheel_module
from acmix.tools.rehearsal.stand_in import environment, stand_in
from acmix.tools.rehearsal.wheel import Wheel, defined_in

TOOLS = ("g++", "nm", "readelf")
ROOT = Path(__file__).parent.parent.parent.parent


@pytest.fixture
def empty_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.mark.parametrize("missing", TOOLS)
def test_without_a_compiler_one_line_says_so(missing, empty_cache, tmp_path, monkeypatch, capsys):
    for tool in TOOLS:
        if tool != missing:
            program = tmp_path / tool
            program.write_text("#!/bin/sh\n")
            program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert main(["rehearse", "--", "env"]) == 2
    assert capsys.readouterr().err == (
        f"acmix rehearse: error: rehearse: {missing} is not on the PATH; stand-ins for CANN's "
        "libraries are built with it. Install the system's compiler and binutils: apt-get install "
        "g++ binutils.\n"
    )
    assert [*empty_cache.rglob("*.so")] == []


def test_another_mindspore_is_refused(empty_cache, monkeypatch, capsys):
    monkeypatch.setattr(wheel_module, "version", lambda name: "2.7.1")
    assert main(["rehearse", "--", "env"]) == 2
    assert capsys.readouterr().err == (
        "acmix rehearse: error: rehearse: MindSpore is 2.7.1, and the stand-ins are for 2.8.0 "
        "only. Install it: pip install mindspore==2.8.0.\n"
    )


def test_no_mindspore_is_refused(empty_cache, monkeypatch):
    def missing(name):
        raise wheel_module.PackageNotFoundError(name)

    monkeypatch.setattr(wheel_module, "version", missing)
    with pytest.raises(UserError, match="MindSpore is none, and the stand-ins are for"):
        stand_in()


def test_another_processor_is_refused(empty_cache, monkeypatch):
    monkeypatch.setattr(module.platform, "machine", lambda: "aarch64")
    with pytest.raises(UserError, match="this processor is aarch64, and the stand-ins read"):
        stand_in()


def test_a_cache_that_no_library_path_can_name_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "a:b"))
    with pytest.raises(UserError, match="Choose XDG_CACHE_HOME without ':' and ';'"):
        stand_in()
    assert [*tmp_path.iterdir()] == []


def test_a_compiler_that_fails_leaves_nothing(empty_cache, tmp_path, monkeypatch):
    compiler = tmp_path / "g++"
    compiler.write_text("#!/bin/sh\necho 'no such option' >&2\nexit 1\n")
    compiler.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    with pytest.raises(UserError, match=r"^rehearse: 'g\+\+ .*' failed:$") as caught:
        stand_in()
    assert caught.value.details == "no such option"
    assert not (empty_cache / "acmix").exists()


def test_who_comes_second_takes_what_the_first_built(empty_cache, monkeypatch):
    """Another process finishes while this one builds."""
    built = []

    def build(wheel, folder):
        (folder / "mine").touch()
        name = f"{module.VERSION}-{module._digest()}"
        if not built:
            (folder.parent / name).mkdir()
            (folder.parent / name / "of_another").touch()
        built.append(folder)

    monkeypatch.setattr(module, "_build", build)
    assert [file.name for file in stand_in().iterdir()] == ["of_another"]
    assert stand_in().parent == empty_cache / "acmix" / "rehearsal"
    assert len(built) == 1  # and later ones build nothing
    assert [path.name for path in stand_in().parent.iterdir()] == [stand_in().name]


def test_a_change_of_a_source_is_another_stand_in(empty_cache, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_build", lambda wheel, folder: None)
    before = stand_in()
    changed = tmp_path / "sources"
    shutil.copytree(module._SOURCES, changed)
    (changed / "device.cpp").write_text("// changed\n")
    monkeypatch.setattr(module, "_SOURCES", changed)
    assert stand_in() != before


def test_only_a_child_finds_the_stand_ins(tmp_path):
    given = {"PATH": "/bin", "LD_LIBRARY_PATH": "/lib/own", "PYTHONPATH": "src"}
    before = dict(given)
    variables = environment(given, tmp_path)
    assert given == before
    assert variables["PATH"] == "/bin"
    assert variables["LD_LIBRARY_PATH"] == f"{tmp_path}/latest/lib64:/lib/own"
    assert variables["PYTHONPATH"].endswith(":src")
    assert environment({}, tmp_path)["LD_LIBRARY_PATH"] == f"{tmp_path}/latest/lib64"


def test_a_build_contains_all_sources():
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    patterns = re.findall(r'"(stand_in/[^"]+)"', text)
    shipped = {file for pattern in patterns for file in module._SOURCES.parent.glob(pattern)}
    assert shipped == set(module._SOURCES.iterdir())


@pytest.mark.skipif(not all(map(shutil.which, TOOLS)), reason="no compiler, or no binutils")
def test_everything_that_mindspore_lacks_is_there():
    libraries = stand_in() / "latest" / "lib64"
    wheel = Wheel.installed()
    assert {file.name for file in libraries.iterdir()} == set(wheel.missing_libraries)
    defined = defined_in(libraries / "libascendcl.so")
    engine = {name for name in wheel.undefined if re.match(r"_ZNK?2ge\d", name)}
    assert len(engine) > 100
    assert engine <= defined
    assert {"aclInit", "aclrtMalloc", "HcclAllReduce", "HcclCommInitRootInfo"} <= wheel.functions
    assert wheel.functions <= defined
    assert len(wheel.kernels) > 400
    assert wheel.kernels | {f"{name}GetWorkspaceSize" for name in wheel.kernels} <= defined
