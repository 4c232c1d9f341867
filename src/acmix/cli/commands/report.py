"""``acmix report``: a run as one HTML file."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from acmix.cli.arguments import add_overrides, add_score, positive
from acmix.cli.console import say
from acmix.cli.outputs import OutputFile

NAME = "report"
HELP = "Write one HTML file about a run: results, curves, worst images, configuration."
EXAMPLE = "acmix report runs/NAME --output report.html"


def add_arguments(parser: ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("run_folder", metavar="RUN", help="folder that 'acmix train' wrote")
    add_overrides(parser, "override for reading the validation images, for example data.root=DIR")
    parser.add_argument(
        "--output",
        type=OutputFile,
        metavar="FILE",
        help="file to write; default: report.html in the run folder",
    )
    parser.add_argument(
        "--images",
        type=_count,
        default=200,
        metavar="N",
        help="validation images among which the worst are sought; 0 reads no data and needs no "
        "MindSpore device; default: %(default)s",
    )
    parser.add_argument(
        "--worst",
        type=positive,
        default=12,
        metavar="K",
        help="number of worst images to show; default: %(default)s",
    )
    add_score(parser)


def run(options: Namespace) -> None:
    """Write the file."""
    from acmix.config import load_config
    from acmix.errors import UserError
    from acmix.tools.report import Run, write_html
    from acmix.utils.outputs import check_output_file
    from acmix.workflows import model_file
    from acmix.workflows.worst import worst_images

    run = Run(Path(options.run_folder))
    target = Path(options.output or run.folder / "report.html")
    check_output_file(target)
    config = load_config(run.folder / "config.yaml", options.overrides)
    if options.images:
        try:
            checkpoint = model_file(run.folder)
            run.worst = worst_images(
                config, checkpoint, options.worst, options.images, options.score
            )
        except UserError as error:  # without its data a run still has everything else
            say(f"The report has no images: {error}")
            run.worst = error
    write_html(run, target)
    say(f"Wrote {target}")


def _count(text: str) -> int:
    return 0 if text == "0" else positive(text)
