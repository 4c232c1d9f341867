"""``acmix env``: versions, device, and problems of the installation."""

from __future__ import annotations

import json
from argparse import ArgumentParser, Namespace

from acmix.cli.arguments import add_json

NAME = "env"
HELP = "Show versions and device, and report what is not supported."
EXAMPLE = "acmix env"


def add_arguments(parser: ArgumentParser) -> None:
    """Add the command's arguments."""
    add_json(parser, "facts and problems")


def run(options: Namespace) -> int:
    """Print the report; return 1 if it has errors."""
    from dataclasses import asdict

    from acmix import environment

    facts = environment.describe()
    found = environment.problems(facts)
    print(environment.render(facts, found))
    if options.json:
        content = {"facts": facts, "problems": [asdict(problem) for problem in found]}
        options.json.write(json.dumps(content, indent=1))
    return int(any(problem.level == "error" for problem in found))
