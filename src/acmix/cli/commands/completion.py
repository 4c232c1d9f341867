"""``acmix completion``: commands, options, files and names of models, completed by the shell."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

NAME = "completion"
HELP = "Print a script that has a shell complete what is typed."
EXAMPLE = 'acmix completion bash; in ~/.bashrc: eval "$(acmix completion bash)"'

# Names are asked for when they are completed: the script needs no update for a new model.
_BASH = """
_acmix_models() {
  compgen -W "$(acmix list 2>/dev/null) $(acmix list --detectors 2>/dev/null)" -- "$1"
}
_acmix_models_and_files() {
  compgen -f -- "$1"
  _acmix_models "$1"
}
"""
_ZSH = """
_acmix_models() {
  compadd -- ${(f)"$(acmix list 2>/dev/null; acmix list --detectors 2>/dev/null)"}
}
_acmix_models_and_files() {
  _files
  _acmix_models
}
"""


def add_arguments(parser: ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("shell", choices=("bash", "zsh", "tcsh"), metavar="bash|zsh|tcsh")


def run(options: Namespace) -> None:
    """Print the script."""
    import shtab

    from acmix.cli import make_parser

    functions = {"bash": _BASH, "zsh": _ZSH}.get(options.shell, "")
    print(shtab.complete(make_parser(), options.shell, preamble=functions))
