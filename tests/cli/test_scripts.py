"""The shell scripts outside of ``.venv``, with a pretended Python: which files they install."""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PYTHON = '#!/bin/bash\necho "$*" >> {log}\n'


@pytest.fixture
def checkout(tmp_path):
    """A copy of the scripts, and a ``.venv`` that only writes down what is asked of it."""
    shutil.copytree(ROOT / "scripts", tmp_path / "scripts")
    for name in ("requirements.txt", "requirements-dev.txt", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    programs = tmp_path / ".venv" / "bin"
    programs.mkdir(parents=True)
    (programs / "activate").write_text(f"PATH={programs}:$PATH\n")
    for name in ("python", "ruff", "mypy", "pytest"):
        (programs / name).write_text(PYTHON.format(log=tmp_path / "log"))
        (programs / name).chmod(0o755)
    other = tmp_path / "bin"
    other.mkdir()
    (other / "python").write_text("#!/bin/bash\nexit 1\n")
    (other / "python").chmod(0o755)
    return tmp_path


@pytest.mark.parametrize(
    ("script", "requirements", "last"),
    [
        ("run_distributed.sh", "requirements.txt", "-m acmix.launch --device cpu a.yaml"),
        ("check_ascend.sh", "requirements.txt", "-m acmix check-ascend --device cpu a.yaml"),
        ("quickstart.sh", "requirements.txt", "scripts/quickstart.py --device cpu a.yaml"),
        ("test.sh", "requirements-dev.txt", "-n 2 --dist loadscope --device cpu a.yaml"),
    ],
)
def test_arguments_of_a_script_are_no_requirements(script, requirements, last, checkout):
    done = subprocess.run(
        ["bash", checkout / "scripts" / script, "--device", "cpu", "a.yaml"],
        env={"PATH": f"{checkout / 'bin'}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert f"Installing {requirements}\n" in done.stdout
    lines = (checkout / "log").read_text().splitlines()
    assert any(line.endswith(f"-r {requirements}") for line in lines)
    assert lines[-1] == last


def test_the_check_of_ascend_can_be_rehearsed(checkout):
    subprocess.run(
        ["bash", checkout / "scripts" / "check_ascend.sh", "--rehearse", "--soc", "a b"],
        env={"PATH": f"{checkout / 'bin'}:/usr/bin:/bin"},
        check=True,
    )
    last = (checkout / "log").read_text().splitlines()[-1]
    assert last == "-m acmix rehearse -- check-ascend --soc a b"


@pytest.mark.parametrize("script", sorted((ROOT / "scripts").glob("*.sh")), ids=lambda p: p.name)
def test_scripts_are_shell(script):
    assert subprocess.run(["bash", "-n", script]).returncode == 0
