"""The base class of formats, and the formats by name."""

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
"""Name of the input in the side-car, and in the files of formats that keep names."""


class Format(ABC):
    """A kind of file: where it can be written, how it is written, and how it is run.

    Attributes:
        name: What users call it.
        suffix: Of its files, with the dot.
        only_on: Device target that writing it takes; empty for any.
        dynamic_batch: Whether a file can take any batch size.
        holds_post_processing: Whether a file can hold non-maximum suppression.
    """

    name: str
    suffix: str
    only_on: str = ""
    dynamic_batch: bool = True
    holds_post_processing: bool = True

    def check_host(self) -> None:
        """Raise :class:`UserError` unless a file can be written on this device. Cheap."""
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

        Every format calls :func:`acmix.export.checked_mindir.write_mindir`, which refuses what is
        not for inference and counts the operators.

        Args:
            network: Cell in evaluation mode, from images to a tensor or a tuple of tensors.
            images: Tensor (B, C, H, W) of float32 without data; B is -1 for any batch size.
            path: In a folder of its own; other files left beside it do no harm.

        Returns:
            The operators of the graph by type.

        Raises:
            UserError: The format cannot hold this network.
        """

    def missing_runner(self) -> str | None:
        """Return why :meth:`load_runner` cannot run files here, or the remedy; None if it can."""
        return None

    @abstractmethod
    def load_runner(self, path: Path) -> Callable[[np.ndarray], Outputs]:
        """Return the function that a file computes, without checks of its input.

        Raises:
            UserError: The file is broken, or nothing here runs the format.
        """

    def atc_options(self, input_name: str, input_shape: Sequence[int | None]) -> list[str]:
        """Return the options with which ATC, Ascend's compiler, reads a file; empty if none."""
        return []


class _Formats(dict[str, Format]):
    def __missing__(self, name: str) -> Format:
        raise UserError(f"format: {name!r} is unknown." + suggest(name, self))


FORMATS: dict[str, Format] = _Formats()
"""The formats by name; asking for an unknown one raises UserError."""

_FormatClass = TypeVar("_FormatClass", bound=type[Format])


def register_format(cls: _FormatClass) -> _FormatClass:
    """Make an object of the class a known format; a name or suffix taken is an error."""
    format = cls()
    check(format.name not in FORMATS, f"format '{format.name}' is already registered.")
    taken = {known.suffix for known in FORMATS.values()}
    check(format.suffix not in taken, f"suffix '{format.suffix}' is already registered.")
    FORMATS[format.name] = format
    return cls


def format_of(path: str | Path) -> Format:
    """Return the format of a file by its suffix.

    Raises:
        UserError: No format has that suffix.
    """
    by_suffix = {format.suffix: format for format in FORMATS.values()}
    suffix = Path(path).suffix
    check(suffix in by_suffix, f"model: {path} has no known suffix." + suggest(suffix, by_suffix))
    return by_suffix[suffix]
