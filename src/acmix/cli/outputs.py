"""Types of the arguments that name what a command writes; all are checked before it runs."""

from __future__ import annotations

import shutil
import sys
import tempfile
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from acmix.utils.outputs import check_output_file, check_output_folder

if TYPE_CHECKING:
    from acmix.utils.json_text import AddEntry


class OutputFile(str):
    """Path of a file that the command writes."""


class OutputFolder(str):
    """Path of a folder that the command makes, or writes into."""


class JsonOutput:
    """Destination of ``--json``: a file, or standard output for ``-``.

    Attributes:
        file: the path, or ``-``.
        is_stdout: whether the result, and nothing else, goes to standard output.
    """

    def __init__(self, file: str):
        self.file = file
        self.is_stdout = file == "-"
        self._stdout = sys.stdout  # saved now, because it is redirected while the command runs

    def write(self, content: str) -> None:
        """Write the result, JSON; NaN and infinities become null."""
        from acmix.utils.json_text import without_nan

        content = without_nan(content)
        if self.is_stdout:
            print(content.rstrip("\n"), file=self._stdout)
            return
        from acmix.utils.files import write_text

        write_text(Path(self.file), content)

    @contextmanager
    def entries(self) -> Iterator[AddEntry]:
        """Yield a function that adds to the result, a list, which is written when the body ends."""
        from acmix.utils.files import text_file, translate_disk_errors
        from acmix.utils.json_text import json_list

        if not self.is_stdout:
            with text_file(Path(self.file)) as file, json_list(file) as add:
                yield add
            return
        temporary = Path(tempfile.gettempdir())
        with (
            translate_disk_errors(temporary),
            tempfile.TemporaryFile("w+", encoding="utf-8", dir=temporary) as file,
        ):
            with json_list(file) as add:
                yield add
            file.seek(0)
            shutil.copyfileobj(file, self._stdout)
            print(file=self._stdout)


def check_outputs(options: Namespace) -> None:
    """Refuse outputs that cannot be written, or that are one of the other arguments' files.

    Raises:
        UserError: see :func:`acmix.utils.outputs.check_output_file`.
    """
    inputs = [text for value in vars(options).values() for text in _texts(value)]
    for option, value in vars(options).items():
        if isinstance(value, JsonOutput) and not value.is_stdout:
            check_output_file(value.file, inputs, "--json")
        elif isinstance(value, OutputFile):
            check_output_file(value, inputs, option)
        elif isinstance(value, OutputFolder):
            check_output_folder(value, option)


def _texts(value: object) -> list[str]:
    """Return the texts of an argument that may name files to read."""
    values = value if isinstance(value, list) else [value]
    return [text for text in values if type(text) is str]
