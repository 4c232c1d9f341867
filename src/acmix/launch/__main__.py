"""``python -m acmix.launch``: train on several devices; used by ``scripts/run_distributed.sh``."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from acmix.config import load_config
from acmix.environment import DEVICES
from acmix.errors import UserError
from acmix.launch.job import DEFAULT_PORT, Job
from acmix.launch.supervisor import GRACE_SECONDS, NOTICE_SECONDS, launch
from acmix.utils.command_line import in_order
from acmix.utils.outputs import check_output_folder
from acmix.utils.streams import protect_streams
from acmix.utils.text import printable

_DEVICES = {name.lower(): name for name in DEVICES}


def main(arguments: Sequence[str] | None = None) -> int:
    """Train a configuration; return 0, 1 if a worker failed, 2 for a user error."""
    protect_streams()  # a closed or full console ends no training
    parser = _parser()
    given = sys.argv[1:] if arguments is None else arguments
    options = parser.parse_args(in_order(parser, given))
    device = _DEVICES[options.device]
    try:
        job = Job(
            device,
            options.workers,
            options.nodes,
            options.node_rank,
            options.master,
            options.port,
            options.bind,
        )
        overrides = [*options.overrides, f"runtime.device={device}"]
        config = load_config(options.config, overrides)
        check_output_folder(config.output)
        return _launch(job, config.output, options, overrides)
    except UserError as error:
        print(f"acmix launch: error: {printable(error)}", file=sys.stderr)
        return 2


def _launch(job: Job, output: str, options: argparse.Namespace, overrides: Sequence[str]) -> int:
    logs = Path(output) / "logs" / time.strftime("%Y%m%d-%H%M%S")
    if job.nodes > 1:  # nodes may share the folder
        logs /= f"node_{job.node_rank}"
    print(
        f"{job.size} workers, {job.workers} on this node with "
        f"{job.environment()['OMP_NUM_THREADS']} thread(s) each; logs in {printable(logs)}",
        flush=True,
    )
    training = ["-m", "acmix", "train", options.config, *overrides]
    if options.resume is not None:
        training += ["--resume", options.resume]
    return launch(
        job,
        training,
        logs,
        grace=options.grace,
        notice=options.notice_after,
        stall_limit=options.end_after,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="run_distributed.sh",
        description="Train on several devices, on one machine or many.",
        epilog="example: bash scripts/run_distributed.sh --device ascend --workers 8 "
        "configs/imagenet/acmix_swin_tiny.yaml data.root=/data/imagenet",
    )
    parser.add_argument("--device", required=True, choices=_DEVICES)
    parser.add_argument(
        "--workers", required=True, type=int, metavar="N", help="processes on each node"
    )
    parser.add_argument("--nodes", type=int, default=1, metavar="M", help="machines; default 1")
    parser.add_argument(
        "--node-rank", type=int, default=0, metavar="R", help="of this machine, 0 to M - 1"
    )
    parser.add_argument("--master", metavar="ADDR", help="address of the machine with rank 0")
    parser.add_argument(
        "--port",
        type=int,
        help=f"of the master; default: a free one, on several nodes {DEFAULT_PORT}",
    )
    parser.add_argument(
        "--bind",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="give every worker cores of its own",
    )
    parser.add_argument("--resume", metavar="auto|PATH", help="go on from a checkpoint")
    parser.add_argument(
        "--grace",
        type=float,
        default=GRACE_SECONDS,
        metavar="SECONDS",
        help="for saving and ending after a signal; default %(default)g",
    )
    parser.add_argument(
        "--notice-after",
        type=float,
        default=NOTICE_SECONDS,
        metavar="SECONDS",
        help="without progress, to name the rank that holds up the job; default %(default)g",
    )
    parser.add_argument(
        "--end-after",
        type=float,
        metavar="SECONDS",
        help="without progress, to end the job; default: never",
    )
    parser.add_argument("config", metavar="CONFIG", help="YAML file")
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="override a key")
    return parser


if __name__ == "__main__":
    sys.exit(main())
