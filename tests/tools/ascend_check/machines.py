"""Pretended machines: programs on the PATH, and acmix's commands as if an NPU were there."""

from __future__ import annotations

import contextlib
import io
import json
import sys
from pathlib import Path

import numpy as np

from acmix.cli import main
from acmix.environment import stand_in
from acmix.tools.ascend_check.session import Finished, execute
from acmix.tools.bench.models_report import ModelsReport
from acmix.tools.bench.peak import Peak
from acmix.tools.bench.timing import Timing

NPU_SMI = """
| npu-smi 23.0.6                   Version: 23.0.6                                               |
| NPU   Name                | Health        | Power(W)    Temp(C)           Hugepages-Usage(page)|
| Chip                      | Bus-Id        | AICore(%)   Memory-Usage(MB)  HBM-Usage(MB)        |
| 0     910B2               | OK            | 93.4        40                0    / 0             |
| 0                         | 0000:C1:00.0  | 0           0    / 0          3349 / 65536         |
| 1     910B2               | {health: <14}| 90.0        41                0    / 0             |
| 0                         | 0000:01:00.0  | 0           0    / 0          3349 / 65536         |
"""

REPORT = ModelsReport(
    environment={"device": "Ascend", "device_name": "Ascend910B2", "cpu": "Kunpeng", "cores": 192,
                 "mindspore": "2.8.0"},
    mode="graph",
    input_shape=(3, 224, 224),
    warmup=3,
    probed_peak=Peak(100.0, "a product"),
    baselines={},
    macs={},
    timings=(Timing("net", 8, 3.0, (0.1, 0.2, 0.1)),),
)  # fmt: skip


LOGGED = "\n[WARNING] ME(7:7,MainProcess):2026-01-01 [te] is missing: FAIL\n"
"""What MindSpore logs on a machine that is sound otherwise."""


class Machine:
    """An Ascend host: ``execute`` runs real programs, but answers acmix's commands itself.

    Attributes:
        bin: folder of programs, for the PATH.
        losses: of the smoke training, by epoch.
        difference: between the devices' outputs.
        codes: exit code by name of acmix's command, where it is not 0.
        calls: every command line.
    """

    def __init__(self, folder: Path):
        self.bin = folder / "bin"
        self.bin.mkdir(parents=True)
        self.losses = [2.0, 1.0]
        self.difference = 1e-3
        self.codes: dict[str, int] = {}
        self.calls: list[list[str]] = []
        self.install("npu-smi", f"cat <<'END'{NPU_SMI.format(health='OK')}END")
        of_option = 'for word; do case $word in {0}=*) echo made > "${{word#*=}}{1}";; esac; done'
        self.install("converter_lite", of_option.format("--outputFile", ".mindir"))
        self.install("benchmark", "echo 'MaxRunTime = 9 ms, AvgRunTime = 1.25 ms'")
        self.install("atc", of_option.format("--output", ".om"))

    def install(self, name: str, script: str) -> None:
        program = self.bin / name
        program.write_text(f"#!/bin/bash\n{script}\n")
        program.chmod(0o755)

    def remove(self, name: str) -> None:
        (self.bin / name).unlink()

    def execute(self, command) -> Finished:
        self.calls.append(list(command))
        if command[0] != sys.executable:
            return execute(command)
        module, *rest = command[2:]
        if module == "acmix.tools.ascend_check.forward":
            output = np.ones(3) + self.difference * (rest[0] == "Ascend")
            np.savez(rest[1], net=output)
            return Finished(0, "")
        name, *arguments = rest
        if name in self.codes:
            return Finished(self.codes[name], "first\n", f"{name} broke\n{LOGGED}")
        return Finished(0, getattr(self, name)(*arguments) + LOGGED, LOGGED)

    def env(self, *arguments) -> str:
        Path(arguments[-1]).write_text(self.environment())
        return ""

    def environment(self) -> str:
        facts = {"acmix": "0", "python": "3.11", "mindspore": "2.8.0", "device": "Ascend",
                 "cann": "8.1", "ascend_driver": "25.0"}  # fmt: skip
        if stand_in():
            facts["stand_in"] = stand_in()
        return json.dumps({"facts": facts, "problems": []})

    def train(self, config, output, *_) -> str:
        folder = Path(output.removeprefix("output="))
        (folder / "checkpoints").mkdir(parents=True)
        (folder / "checkpoints" / "last.ckpt").touch()
        (folder / "config.yaml").touch()
        (folder / "metrics.jsonl").write_text("\n".join(f'{{"loss": {v}}}' for v in self.losses))
        return ""

    def export(self, *arguments) -> str:
        file = Path(arguments[-1])
        file.touch()
        Path(f"{file}.json").write_text('{"input_name": "images", "input_shape": [1, 3, 8, 8]}')
        return "Wrote it; verified"

    def audit(self, *_) -> str:
        return "net: PASS. 5 nodes\nmore"

    def bench(self, *arguments) -> str:
        Path(arguments[-1]).write_text(REPORT.to_json())
        return "table\n\nconditions\n"


def in_process(command) -> Finished:
    """Run acmix's commands in this process, which has imported MindSpore already."""
    if command[0] != sys.executable:
        return execute(command)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
        code = main(list(command[3:]))
    return Finished(code, printed.getvalue(), "")
