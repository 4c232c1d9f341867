"""The tables of the documents are what their commands print, and the README's Python runs."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_tables_are_what_their_commands_print():
    done = subprocess.run(
        [sys.executable, "scripts/update_docs.py", "--check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


def test_the_python_example_runs(mostly_pynative):
    (example,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert "ms.set_context(mode=ms.GRAPH_MODE)" in example
    if mostly_pynative == "pynative":  # what it compiles is large
        example = example.replace("ms.GRAPH_MODE", "ms.PYNATIVE_MODE")
    found = {}
    exec(example, found)  # noqa: S102
    assert found["y"].shape == (1, 64, 29, 20)
    assert found["logits"].shape == (1, 10)
    assert len(found["maps"]) == 3
