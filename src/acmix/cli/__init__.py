"""The command ``acmix``: parse, call the library, print. Commands are in ``commands.py``."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Sequence

from acmix.cli import analyze, audit, bench, check_ascend, commands, plan
from acmix.errors import UserError
from acmix.version import __version__

CONFIG_HELP = "YAML file, for example configs/classification/digits_acmix_swin.yaml"
MODELS_HELP = "a name out of 'acmix list' or 'acmix list --detectors'"
SIZE_HELP = "default: 224x224, for detectors 800x1333"
OVERRIDES_HELP = "override a key of the configuration, for example optim.lr=1e-3"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return its exit code: 0, 1 for a check that failed, 2 for a user's mistake.

    A :class:`UserError` is printed as one line. Anything else is a bug and shows its traceback.
    """
    os.environ.setdefault("GLOG_v", "3")  # MindSpore's own warnings are not for our users
    parser = make_parser()
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout, force=True)
    try:
        return options.run(options) or 0
    except UserError as error:
        print(f"acmix {options.command}: error: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:  # the reader, a pager or head, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def make_parser() -> argparse.ArgumentParser:
    """Describe all commands."""
    parser = argparse.ArgumentParser(
        prog="acmix", description="ACmix on MindSpore: train, evaluate, export, measure."
    )
    parser.add_argument("--version", action="version", version=f"acmix {__version__}")
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name: str, function, example: str) -> argparse.ArgumentParser:
        summary = function.__doc__.splitlines()[0]
        added = subparsers.add_parser(
            name,
            help=summary,
            description=summary,
            epilog=f"example: {example}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        added.set_defaults(run=function)
        return added

    env = command("env", commands.env, "acmix env")
    env.add_argument("--json", action="store_true", help="print JSON")

    listing = command("list", commands.list_names, "acmix list 'acmix_*'")
    listing.add_argument("pattern", nargs="?", default="*", help="shell pattern of names")
    listing.add_argument(
        "--detectors", action="store_true", help="detectors, each on every backbone"
    )

    summary = command("summary", commands.summary, "acmix summary swin_tiny acmix_swin_tiny")
    summary.add_argument("models", nargs="*", metavar="MODEL", help=MODELS_HELP)
    summary.add_argument("--table", choices=("paper", "detection"), help="of the paper's models")
    summary.add_argument("--input-size", type=_size, metavar="S or HxW", help=SIZE_HELP)
    summary.add_argument("--depth", type=int, default=2, help="levels of layers to show")
    summary.add_argument("--total", action="store_true", help="one line per model, no layers")
    summary.add_argument("--json", metavar="FILE", help="write the counts of --table")
    summary.add_argument("--from", dest="source", metavar="FILE", help="render such counts again")
    summary.add_argument("--markdown", action="store_true", help="print Markdown tables")

    prepare = command(
        "prepare", commands.prepare, "acmix prepare --mindrecord CONFIG /data/imagenet_mindrecord"
    )
    prepare.add_argument("--mindrecord", action="store_true", required=True, help="file format")
    prepare.add_argument("config", metavar="CONFIG", help=CONFIG_HELP)
    prepare.add_argument("output", metavar="DIR", help="new folder, for data.root")
    prepare.add_argument("overrides", nargs="*", metavar="key=value", help=OVERRIDES_HELP)

    train = command(
        "train", commands.train, "acmix train configs/classification/digits_acmix_swin.yaml"
    )
    _add_config(train)
    train.add_argument("--resume", metavar="auto|PATH", help="go on from a checkpoint")

    evaluate = command(
        "eval",
        commands.evaluate,
        "acmix eval CONFIG --checkpoint runs/NAME/checkpoints/best.ckpt --per-class",
    )
    _add_config(evaluate)
    evaluate.add_argument("--checkpoint", required=True, metavar="CKPT")
    evaluate.add_argument("--per-class", action="store_true", help="print accuracy per class")
    evaluate.add_argument("--confusion", metavar="PNG", help="draw the confusion matrix")
    evaluate.add_argument("--results", metavar="JSON", help="write COCO's list of detections")
    evaluate.add_argument("--json", metavar="FILE", help="write the metrics")

    ablate = command(
        "ablate",
        commands.ablate,
        "acmix ablate configs/ablation/paths/{attention,conv,both}.yaml --set data.root=FOLDER "
        "--output runs/paths",
    )
    ablate.add_argument("configs", nargs="+", metavar="CONFIG", help="rows; the first is baseline")
    ablate.add_argument(
        "--set",
        dest="overrides",
        nargs="+",
        action="extend",
        default=[],
        metavar="key=value",
        help="override a key of every configuration",
    )
    ablate.add_argument("--output", required=True, metavar="DIR", help="runs, tables and JSON")
    ablate.add_argument("--batch-size", type=_positive, default=64, metavar="B", help="measured")
    ablate.add_argument("--warmup", type=_positive, default=3, metavar="N", help="rounds")
    ablate.add_argument("--repeats", type=_positive, default=15, metavar="N", help="rounds")

    export = command(
        "export",
        commands.export,
        "acmix export CONFIG --checkpoint CKPT --format mindir --output model.mindir",
    )
    _add_config(export)
    export.add_argument("--checkpoint", required=True, metavar="CKPT")
    export.add_argument("--format", required=True, choices=("mindir", "onnx", "air"))
    export.add_argument("--output", required=True, metavar="PATH")
    export.add_argument("--batch-size", type=_positive, default=1, metavar="B")
    export.add_argument("--input-size", type=_size, metavar="S or HxW", help="of a detector")
    export.add_argument("--dynamic-batch", action="store_true", help="any batch size")
    export.add_argument("--fp16", action="store_true", help="compute in float16")
    export.add_argument(
        "--fuse",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="export the inference form: the same function, faster",
    )
    export.add_argument("--no-verify", action="store_true", help="do not run the file to check it")

    audit.add_to(
        command("audit", audit.run, "acmix audit net.mindir"), OVERRIDES_HELP, _size, _positive
    )

    predict = command("predict", commands.predict, "acmix predict model.mindir cat.jpg dog.jpg")
    predict.add_argument("model", metavar="MODEL_FILE", help=".ckpt, .mindir or .onnx")
    predict.add_argument("images", nargs="+", metavar="IMAGE")
    predict.add_argument("--config", help="of a .ckpt outside of its run folder")
    predict.add_argument("--top", type=_positive, default=5, metavar="K", help="classes to show")
    predict.add_argument(
        "--output", metavar="DIR", help="draw pictures, and write predictions.json"
    )
    predict.add_argument("--json", action="store_true", help="print JSON")

    convert = command(
        "convert",
        commands.convert,
        "acmix convert --from torch swin.pth --model swin_tiny --output swin.ckpt",
    )
    direction = convert.add_mutually_exclusive_group(required=True)
    direction.add_argument("--from", dest="source", choices=("torch",), help="make a checkpoint")
    direction.add_argument("--to", dest="target", choices=("torch",), help="make .safetensors")
    convert.add_argument("file", metavar="FILE", help=".pth, .safetensors, .npz; or a checkpoint")
    convert.add_argument("overrides", nargs="*", metavar="key=value", help=OVERRIDES_HELP)
    convert.add_argument("--model", metavar="NAME", help="default: that of the checkpoint's run")
    convert.add_argument("--num-classes", type=_positive, metavar="N", help="default: the file's")
    convert.add_argument("--output", required=True, metavar="PATH")

    analyze.add_to(subparsers, OVERRIDES_HELP)

    bench.add_to(
        command("bench", bench.run, "acmix bench swin_tiny acmix_swin_tiny --batch-size 1 8"),
        MODELS_HELP,
        _size,
        _positive,
    )

    planning = command("plan", plan.run, "acmix plan CONFIG --devices 8,64,256")
    _add_config(planning)
    plan.add_to(planning, _positive)

    check_ascend.add_to(command("check-ascend", check_ascend.run, "acmix check-ascend"))
    return parser


def _add_config(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("config", metavar="CONFIG", help=CONFIG_HELP)
    parser.add_argument("overrides", nargs="*", metavar="key=value", help=OVERRIDES_HELP)


def _positive(text: str) -> int:
    try:
        value = int(text)
    except ValueError:
        value = 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"'{text}' is not a whole number of at least 1")
    return value


def _size(text: str) -> tuple[int, int]:
    height, _, width = text.partition("x")
    return _positive(height), _positive(width or height)
