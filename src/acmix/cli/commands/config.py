"""``acmix config``: the keys of the configurations, and a configuration with all of them."""

from __future__ import annotations

import fnmatch
import json
import os
import shutil
import textwrap
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping
from itertools import groupby
from typing import TYPE_CHECKING

from acmix.cli.arguments import add_json, add_markdown, add_overrides
from acmix.errors import check
from acmix.utils.command_line import is_override

if TYPE_CHECKING:
    from acmix.config.options import Option

NAME = "config"
HELP = "Find keys of the configuration, or show one with all its values."
EXAMPLE = "acmix config 'train.*'"


def add_arguments(parser: ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "target",
        nargs="?",
        default="*",
        metavar="PATTERN|CONFIG",
        help="shell pattern or part of a key or its meaning, for example 'optim.*' or warm-up; or "
        "a configuration file, whose values are shown beside the defaults; default: all keys",
    )
    add_overrides(parser)
    add_json(parser)
    add_markdown(parser)


def run(options: Namespace) -> None:
    """Print keys, or the values of a configuration."""
    if is_override(options.target):  # there is no target
        options.overrides, options.target = [options.target, *options.overrides], "*"
    is_file = os.path.exists(options.target) or options.target.endswith((".yaml", ".yml"))
    if is_file or options.overrides:
        _show(options, options.target if is_file else None)
    else:
        _list(options)


def _show(options: Namespace, file: str | None) -> None:
    from acmix.config import load_config
    from acmix.config.options import resolved

    config = load_config(file, options.overrides)
    values = config.to_dict()
    defaults = type(config)().to_dict()
    print(resolved(values, {**defaults, "task": values["task"]}))
    if options.json:
        options.json.write(json.dumps(values, indent=2) + "\n")


def _list(options: Namespace) -> None:
    from acmix.config.options import all_options

    known = all_options().items()
    found = {option: tasks for option, tasks in known if _matches(option, options.target)}
    check(
        bool(found),
        f"no key, and no meaning of one, matches '{options.target}'; 'acmix config' shows all.",
    )
    print(_tables(found) if options.markdown else _paragraphs(found))
    if options.json:
        content = [{**option._asdict(), "tasks": tasks} for option, tasks in found.items()]
        options.json.write(json.dumps(content, indent=2) + "\n")


def _matches(option: Option, pattern: str) -> bool:
    if any(character in pattern for character in "*?["):
        return fnmatch.fnmatch(option.key, pattern)
    return pattern.lower() in f"{option.key} {option.meaning}".lower()


def _paragraphs(found: Mapping[Option, tuple[str, ...]]) -> str:
    width = max(shutil.get_terminal_size().columns, 40)
    indent = "    "
    wrapper = textwrap.TextWrapper(
        width, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False
    )
    lines = []
    for option, tasks in found.items():
        only = _only(tasks)
        lines.append(f"{option.key} = {option.default}  ({option.type}){only and f' {only}'}")
        lines.append(wrapper.fill(option.meaning.replace("``", "")))
    return "\n".join(lines)


def _tables(found: Mapping[Option, tuple[str, ...]]) -> str:
    from acmix.utils.table import render_table

    parts = []
    for section, members in groupby(found, lambda option: option.key.rpartition(".")[0]):
        rows = []
        for option in members:
            only = _only(found[option])
            meaning = option.meaning.replace("``", "`")
            default = f"`{option.default}`" if option.default else ""
            rows.append((f"`{option.key}`", option.type, default, f"{only} {meaning}".strip()))
        title = f"`{section}`" if section else "The run"
        header = ("key", "type", "default", "meaning")
        parts.append(f"## {title}\n\n" + render_table(header, rows, "markdown", (0, 1, 2, 3)))
    return "\n\n".join(parts)


def _only(tasks: tuple[str, ...]) -> str:
    """Return the tasks of a key that not all have, in brackets."""
    from acmix.config import TASK_CONFIGS

    return "" if len(tasks) == len(TASK_CONFIGS) else f"[{', '.join(tasks)}]"
