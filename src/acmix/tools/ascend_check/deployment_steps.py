"""Steps that deploy the trained network: export, audit, MindSpore Lite, ATC."""

from __future__ import annotations

import json
import re
from pathlib import Path

from acmix.export.formats import FORMATS
from acmix.tools.ascend_check.session import Failed, Session, Skipped, last_line

LITE = "MindSpore Lite, https://www.mindspore.cn/lite"


def export(session: Session, format: str) -> str:
    """Export the trained network; verify the file where possible."""
    checkpoint = session.need(session.checkpoint, "training")
    if FORMATS[format].only_on == "Ascend":
        session.need_ascend()
    file = session.exported(format)
    config = session.folder / "training" / "config.yaml"
    written = last_line(
        session.acmix(
            "export", config, "--checkpoint", checkpoint, "--format", format, "--output", file
        )
    )
    if session.stand_in and FORMATS[format].only_on == "Ascend":
        # CANN writes this file itself, from the graph that MindSpore gives it.
        return "MindSpore gave its graph to the stand-in, whose file lists nodes: it is no AIR"
    return written


def audit(session: Session) -> str:
    """Audit the graphs of inference and training for Ascend.

    The exported file is not audited: outside of Ascend it has another formulation of the
    convolution path.
    """
    config = session.need(session.folder / "training" / "config.yaml", "training")
    heads = []
    for graph in ((), ("--training",)):
        # Exit code 1 is a verdict, which is parsed below.
        output = session.acmix("audit", config, *graph, accepted=(0, 1))
        heads += re.findall(r"^.*: (?:PASS|REVIEW|FAIL)\b.*", output, re.M)[:1]
    if len(heads) != 2:
        raise Failed("it printed no verdict")
    found = " ".join(heads)
    if ": FAIL" in found:
        raise Failed(found)
    return found


def lite_convert(session: Session) -> str:
    """Convert the MindIR file with MindSpore Lite's converter."""
    converter = session.tool("converter_lite", LITE)
    source = session.need(session.exported("mindir"), "mindir")
    target = _lite_file(session)
    optimize = "ascend_oriented" if session.device == "Ascend" else "none"
    session.call(
        converter,
        "--fmk=MINDIR",
        "--saveType=MINDIR",
        f"--optimize={optimize}",
        f"--modelFile={source}",
        f"--outputFile={target.with_suffix('')}",
    )
    return _written(target, f"optimized for {optimize}")


def lite_benchmark(session: Session) -> str:
    """Run the converted file in MindSpore Lite's benchmark."""
    benchmark = session.tool("benchmark", LITE)
    file = session.need(_lite_file(session), "lite convert")
    output = session.call(
        benchmark,
        f"--modelFile={file}",
        f"--device={session.device}",
        "--warmUpLoopCount=10",
        "--loopCount=100",
    )
    found = re.search(r"AvgRunTime\s*=\s*([\d.]+)\s*ms", output)
    if not found:
        raise Failed(f"it printed no AvgRunTime: {last_line(output)}")
    return f"{found[1]} ms on average on {session.device}"


def atc(session: Session, format: str) -> str:
    """Compile the exported file to an offline model with ATC."""
    tool = session.tool("atc", "the CANN toolkit")
    source = session.need(session.exported(format), format)
    soc = session.soc or (f"Ascend{session.npu}" if session.npu else "")
    if not soc:
        raise Skipped("the chip is not known: no npu-smi here; name it with --soc Ascend910B2")
    target = session.folder / f"net_{format}.om"
    sidecar = json.loads(Path(f"{source}.json").read_text(encoding="utf-8"))
    input_name, input_shape = sidecar["input_name"], sidecar["input_shape"]
    session.call(
        tool,
        f"--model={source}",
        f"--output={target.with_suffix('')}",
        f"--soc_version={soc}",
        "--output_type=FP32",
        *FORMATS[format].atc_options(input_name, input_shape),
    )
    return _written(target, f"for {soc}")


def _lite_file(session: Session) -> Path:
    return session.folder / "net_lite.mindir"


def _written(file: Path, how: str) -> str:
    if not file.is_file():
        raise Failed(f"it ended well but wrote no {file.name}")
    return f"{file.name}, {file.stat().st_size / 2**20:.1f} MiB, {how}"
