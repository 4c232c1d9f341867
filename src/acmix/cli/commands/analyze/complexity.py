"""``acmix analyze complexity``: costs of both stages."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from acmix.cli.arguments import add_markdown, style

NAME = "complexity"
HELP = "Count convolution, self-attention and ACmix at both stages (Tab. 1 and Tab. 8)."
EXAMPLE = "acmix analyze complexity --markdown"


def add_arguments(parser: ArgumentParser) -> None:
    """Add the command's arguments."""
    add_markdown(parser)


def run(options: Namespace) -> None:
    """Print the formulas, and the costs in the paper's networks."""
    from acmix.tools.analysis.complexity import paper_complexity, render_complexity, render_theory

    print(f"{render_theory(style(options))}\n")
    print(render_complexity(paper_complexity(), style(options)))
