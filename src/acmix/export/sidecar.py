"""The metadata file (side-car) of an exported network: a JSON file next to the model.

It describes the input and the interpretation of the outputs. It is copied between machines and is
therefore validated as untrusted input.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from acmix.errors import UserError, check
from acmix.export.formats import FORMATS
from acmix.utils.reading import read_bytes
from acmix.utils.text import shorten

_MAX_BYTES = 16 * 2**20  # a thousand times the size for 1000 classes
_MAX_INPUT_VALUES = 2**28
"""Maximum number of values of an input, 1 GiB, which bounds the memory that a file can request: a
batch of 80 of the largest images of COCO's recipes."""

_MAX_BATCH = 4096
"""Maximum images of a call; ``acmix predict`` fills up the last one with copies."""


@dataclass(frozen=True)
class SideCar:
    """Metadata of an exported network.

    Attributes:
        format: one of :data:`acmix.export.FORMATS`.
        task: ``classification``, ``detection`` or ``segmentation``.
        model: name of the model.
        classes: class names in the order of the logits.
        preprocess: evaluation transform as plain data (``acmix.data.Preprocess.to_dict``).
        post_process: task-specific post-processing on the host as plain data.
        input_name: name of the input.
        input_shape: shape (B, C, H, W); None for any batch size.
        input_dtype: NumPy name of the element type.
        precision: element type of the network's computation.
        versions: versions of the packages that wrote the file.
        sha256: digest of the model file, in hexadecimal.
    """

    format: str
    task: str
    model: str
    classes: tuple[str, ...]
    preprocess: dict[str, Any]
    post_process: dict[str, Any]
    input_name: str
    input_shape: tuple[int | None, ...]
    input_dtype: str
    precision: str
    versions: dict[str, str]
    sha256: str

    @classmethod
    def from_dict(cls, content: dict[str, Any], source: str) -> SideCar:
        """Validate ``content``; unknown keys are ignored. ``source`` names it in messages."""
        rules = _rules()
        for key, (is_valid, expected) in rules.items():
            check(key in content, f"{source}: there is no '{key}'; export again.")
            check(
                is_valid(content[key]),
                f"{source}: '{key}' must be {expected}, got {_shortened(content[key])}.",
            )
        known = {key: content[key] for key in rules}
        known["classes"] = tuple(known["classes"])
        known["input_shape"] = tuple(known["input_shape"])
        return cls(**known)

    def to_json(self) -> str:
        """Return the content of the file."""
        return json.dumps(asdict(self), indent=2, ensure_ascii=False) + "\n"

    @property
    def dynamic_batch(self) -> bool:
        """Whether the network accepts any batch size."""
        return self.input_shape[0] is None

    @property
    def image_shape(self) -> tuple[int, ...]:
        """Shape (C, H, W) of one image."""
        return tuple(size for size in self.input_shape[1:] if size is not None)

    def check_input_shape(self, shape: Sequence[int]) -> None:
        """Raise :class:`UserError` unless the network accepts images of ``shape`` (B, C, H, W)."""
        fits = len(shape) == len(self.input_shape) and all(
            expected in (None, size) for expected, size in zip(self.input_shape, shape, strict=True)
        )
        expected = tuple("any" if size is None else size for size in self.input_shape)
        check(
            fits,
            f"images: shape {tuple(shape)} does not fit the exported input {expected}; "
            "resize them, or export again with that shape or with a dynamic batch.",
        )


def sidecar_path(model_file: str | Path) -> Path:
    """Return the path of the metadata file: ``net.mindir`` -> ``net.mindir.json``."""
    return Path(f"{model_file}.json")


def read_sidecar(model_file: str | Path) -> SideCar:
    """Read and validate the metadata file of ``model_file``.

    Raises:
        UserError: the file is missing or is not a JSON object, or a key is missing or invalid.
    """
    path = sidecar_path(model_file)
    check(
        path.is_file(),
        f"side-car: {path} does not exist; copy it along with the model, or export again.",
    )
    try:
        content = json.loads(read_bytes(path, _MAX_BYTES), parse_constant=_refuse)
    except (ValueError, RecursionError) as error:  # RecursionError: deep nesting
        if isinstance(error, UserError):
            raise
        raise UserError(f"side-car: {path} is not JSON: {shorten(str(error))}") from error
    check(isinstance(content, dict), f"side-car: {path} must hold a JSON object.")
    return SideCar.from_dict(content, source=f"side-car {path}")


def _refuse(constant: str) -> None:
    """Refuse NaN and Infinity, which Python's reader takes but JSON does not have."""
    raise ValueError(f"{constant} is no number of JSON")


def _is_string(value: object) -> bool:
    return isinstance(value, str) and value != ""


def _is_shape(value: object) -> bool:
    if not isinstance(value, list) or len(value) != 4:
        return False
    batch = 1 if value[0] is None else value[0]
    sizes = [batch, *value[1:]]
    positive = all(type(size) is int and size > 0 for size in sizes)
    return positive and batch <= _MAX_BATCH and math.prod(sizes) <= _MAX_INPUT_VALUES


def _are_strings(values: object) -> bool:
    return isinstance(values, list) and all(isinstance(value, str) for value in values)


def _maps_strings(value: object) -> bool:
    return isinstance(value, dict) and _are_strings(list(value.values()))


def _is_digest(value: object) -> bool:
    return isinstance(value, str) and re.fullmatch("[0-9a-f]{64}", value) is not None


def _rules() -> dict[str, tuple[Callable[[Any], bool], str]]:
    """Return the predicate and the expected value by key, for the registered formats."""
    formats = list(FORMATS)
    return {
        "format": (lambda value: value in formats, "one of " + ", ".join(formats)),
        "task": (_is_string, "a string that is not empty"),
        "model": (_is_string, "a string that is not empty"),
        "classes": (_are_strings, "a list of strings"),
        "preprocess": (lambda value: isinstance(value, dict), "an object"),
        "post_process": (lambda value: isinstance(value, dict), "an object"),
        "input_name": (_is_string, "a string that is not empty"),
        "input_shape": (
            _is_shape,
            f"four sizes, the first null or up to {_MAX_BATCH}, of at most 2^28 values",
        ),
        "input_dtype": (lambda value: value == "float32", "'float32'"),
        "precision": (lambda value: value in ("float32", "float16"), "'float32' or 'float16'"),
        "versions": (_maps_strings, "an object of strings"),
        "sha256": (_is_digest, "64 hexadecimal digits"),
    }


def _shortened(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
