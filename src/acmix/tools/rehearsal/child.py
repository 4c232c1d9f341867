"""The child process: runs a Python program on the Ascend device that MindSpore finds.

``python -m acmix.tools.rehearsal.child LEVEL PROGRAM [ARGUMENT ...]``, where PROGRAM is a module's
name or a file that ends in ``.py``, and LEVEL a jit level, or empty for MindSpore's default.
"""

from __future__ import annotations

import runpy
import sys
from pathlib import Path


def main(level: str, program: str, *arguments: str) -> None:
    """Choose device and jit level, then run the program as Python would."""
    import mindspore as ms

    ms.set_device("Ascend")
    if level:
        ms.set_context(jit_config={"jit_level": level})
    sys.argv = [program, *arguments]
    if program.endswith(".py"):
        sys.path.insert(0, str(Path(program).parent))
        runpy.run_path(program, run_name="__main__")
    else:
        runpy.run_module(program, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
