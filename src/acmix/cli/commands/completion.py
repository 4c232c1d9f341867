"""``acmix completion``: shell completion of commands, options, files and model names.

The ``metavar`` of an argument selects its completion: ``CONFIG|key=value`` completes files.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from acmix.config import TASK_CONFIGS

NAME = "completion"
HELP = "Print a script for shell completion."
EXAMPLE = 'acmix completion bash; in ~/.bashrc: eval "$(acmix completion bash)"'

_FILE = {"bash": "_shtab_compgen_files", "zsh": "_files", "tcsh": "f"}
_FOLDER = {"bash": "_shtab_compgen_dirs", "zsh": "_files -/", "tcsh": "d"}
_MODEL = {"bash": "_acmix_models", "zsh": "_acmix_models", "tcsh": "`acmix list`"}
_TARGET = {"bash": "_acmix_models_and_files", "zsh": "_acmix_models_and_files", "tcsh": "f"}

_FILES = ("CHECKPOINT", "CKPT", "CONFIG", "FILE", "IMAGE", "MODEL_FILE", "PATH", "PNG")
_BY_METAVAR = {
    **dict.fromkeys(_FILES, _FILE),
    **dict.fromkeys(("DIR", "RUN"), _FOLDER),
    "MODEL": _MODEL,
    "TARGET": _TARGET,
}

# Completion runs 'acmix list', so a new model needs no new script.
_PREAMBLES = {
    "bash": """
_acmix_models() {
  compgen -W "$(_acmix_lists)" -- "$1"
}
_acmix_models_and_files() {
  compgen -f -- "$1"
  _acmix_models "$1"
}
""",
    "zsh": """
_acmix_models() {
  compadd -- ${(f)"$(_acmix_lists)"}
}
_acmix_models_and_files() {
  _files
  _acmix_models
}
""",
    "tcsh": "",
}


def add_arguments(parser: ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("shell", choices=tuple(_PREAMBLES), metavar="|".join(_PREAMBLES))


def run(options: Namespace) -> None:
    """Print the script."""
    import shtab

    from acmix.cli import make_parser

    parser = make_parser()
    for command in parser.walk():
        _complete_values(command)
    preamble = {shell: _lists() + text for shell, text in _PREAMBLES.items() if text}
    print(shtab.complete(parser, options.shell, preamble=preamble.get(options.shell, "")))


def _lists() -> str:
    """Return a shell function that prints the names of the networks of every task."""
    options = ["" if cls.is_default else f" --{cls.networks}" for cls in TASK_CONFIGS.values()]
    calls = [f"  acmix list{option} 2>/dev/null" for option in options]
    return "\n".join(["", "_acmix_lists() {", *calls, "}"])


def _complete_values(parser: ArgumentParser) -> None:
    """Set the completion of every argument that takes a file, a folder or a model."""
    for action in parser._actions:
        for word in str(action.metavar).split("|"):
            if word in _BY_METAVAR:
                action.complete = _BY_METAVAR[word]  # type: ignore[attr-defined]  # shtab reads it
                break
