"""``acmix convert``: conversion of weights between PyTorch and checkpoints."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from acmix.cli.arguments import add_overrides, positive
from acmix.cli.console import say
from acmix.cli.outputs import OutputFile
from acmix.errors import check

NAME = "convert"
HELP = "Convert PyTorch weights to a checkpoint, or back."
EXAMPLE = "acmix convert --from torch swin.pth --model swin_tiny --output swin.ckpt"


def add_arguments(parser: ArgumentParser) -> None:
    """Add the command's arguments."""
    direction = parser.add_mutually_exclusive_group(required=True)
    direction.add_argument("--from", dest="source", choices=("torch",), help="write a checkpoint")
    direction.add_argument("--to", dest="target", choices=("torch",), help="write .safetensors")
    parser.add_argument(
        "file",
        metavar="FILE",
        help="weights of PyTorch (.pth, .pt, .bin, .ckpt, .tar, .safetensors, .npz: by content); "
        "with --to a checkpoint",
    )
    add_overrides(parser)
    parser.add_argument(
        "--model",
        metavar="MODEL",
        help="model, detector or segmenter of 'acmix list'; default: that of the checkpoint's run",
    )
    parser.add_argument(
        "--num-classes",
        type=positive,
        metavar="N",
        help="number of classes; default: that of the file",
    )
    parser.add_argument(
        "--key",
        metavar="NAME",
        help="which weights of a file with several: their key, such as ema, or their prefix",
    )
    parser.add_argument(
        "--output", type=OutputFile, required=True, metavar="PATH", help="file to write"
    )


def run(options: Namespace) -> None:
    """Write the converted file, and print the skipped tensors."""
    from acmix import workflows
    from acmix.workflows.runs import named_config

    overrides = list(options.overrides)
    if options.num_classes is not None:
        overrides.append(f"model.num_classes={options.num_classes}")
    if options.source:
        check(options.model is not None, "--from torch needs --model NAME, out of 'acmix list'.")
        config = named_config(options.model, overrides)
        report = workflows.import_torch(options.file, options.output, config, options.key)
        say(report, keep="\n\t")
    else:
        check(options.key is None, "--key chooses in a file of PyTorch; it needs --from torch.")
        count = workflows.export_torch(options.file, options.output, options.model, overrides)
        print(f"{count} tensors under the official names")
    say(f"Wrote {options.output}")
