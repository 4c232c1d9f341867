"""Base class and registry of export formats."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from acmix.errors import UserError, check, suggest

if TYPE_CHECKING:
    import numpy as np
    from mindspore import Tensor, nn

    from acmix.export.outputs import Outputs

INPUT_NAME = "images"
"""Name of the input in the metadata file, and in model files of formats with input names."""


class Format(ABC):
    """Export format: writes and runs its files.

    Attributes:
        name: name on the command line.
        suffix: suffix of its files, with the dot.
        only_on: device target required for writing; empty for any.
        dynamic_batch: whether a file can accept any batch size.
    """

    name: str
    suffix: str
    only_on: str = ""
    dynamic_batch: bool = True

    def check_host(self) -> None:
        """Raise :class:`UserError` unless this device can write the format; fast."""
        if not self.only_on:
            return
        from acmix.utils.target import current_target

        target = current_target().name
        check(
            target == self.only_on,
            f"format: '{self.name}' can be written on {self.only_on} only, this process runs on "
            f"{target}; use mindir and convert it on the target.",
        )

    @abstractmethod
    def write(self, network: nn.Cell, images: Tensor, path: Path) -> dict[str, int]:
        """Write ``network`` to ``path``; called in graph mode.

        Implementations call :func:`acmix.export.checked_mindir.write_mindir`, which rejects
        training graphs and counts the operators.

        Args:
            network: Cell in evaluation mode, from images to a tensor or a tuple of tensors.
            images: tensor (B, C, H, W) of float32 without data; B is -1 for any batch size.
            path: file to write, in a temporary folder that may contain intermediate files.

        Returns:
            Number of operators of the graph by type.

        Raises:
            UserError: the format does not support this network.
        """

    def missing_runner(self) -> str | None:
        """Return why :meth:`load_runner` cannot run files, or the remedy; None if it can."""
        return None

    @abstractmethod
    def load_runner(self, path: Path) -> Callable[[np.ndarray], Outputs]:
        """Return a function that runs a file; it does not check its input.

        Raises:
            UserError: the file is damaged, or no installed package can run the format.
        """

    def atc_options(self, input_name: str, input_shape: Sequence[int | None]) -> list[str]:
        """Return the options for Ascend's compiler ATC; empty if it cannot read the format."""
        return []


class _Formats(dict[str, Format]):
    def __missing__(self, name: str) -> Format:
        raise UserError(f"format: {name!r} is unknown." + suggest(name, self))


FORMATS: dict[str, Format] = _Formats()
"""Formats by name; an unknown name raises UserError."""

_FormatClass = TypeVar("_FormatClass", bound=type[Format])


def register_format(cls: _FormatClass) -> _FormatClass:
    """Register an instance of the class; a duplicate name or suffix is an error."""
    format = cls()
    check(format.name not in FORMATS, f"format '{format.name}' is already registered.")
    taken = {known.suffix for known in FORMATS.values()}
    check(format.suffix not in taken, f"suffix '{format.suffix}' is already registered.")
    FORMATS[format.name] = format
    return cls


def format_of(path: str | Path) -> Format:
    """Return the format with the suffix of a file.

    Raises:
        UserError: no format has that suffix.
    """
    by_suffix = {format.suffix: format for format in FORMATS.values()}
    suffix = Path(path).suffix
    check(suffix in by_suffix, f"model: {path} has no known suffix." + suggest(suffix, by_suffix))
    return by_suffix[suffix]
