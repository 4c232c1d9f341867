"""Classes of label files: their names, values and colours, from a text or YAML file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from acmix.config.segmentation import IGNORED_LABEL
from acmix.config.yaml_text import parse_yaml
from acmix.data.files import read_text
from acmix.data.names import composed, listed
from acmix.errors import UserError, check

UNLISTED = -1
"""Entry of :meth:`ClassList.table` for a value that no class has."""
_EXAMPLE = "one name a line, or YAML: a list of names, or 'value: name' pairs, under 'classes'"

Colour = tuple[int, int, int]


@dataclass(frozen=True)
class ClassList:
    """Classes of a data set; a label is a position in ``names``.

    Attributes:
        names: in the order of the labels.
        values: value of each class in the label files.
        palette: red, green and blue of each class, 0 to 255.
        reduce_zero_label: whether the value 0 is ignored; 255 always is.
        ignores_others: whether the values that no class has are ignored, too.
    """

    names: tuple[str, ...]
    values: tuple[int, ...]
    palette: tuple[Colour, ...]
    reduce_zero_label: bool = False
    ignores_others: bool = False

    def table(self) -> np.ndarray:
        """Return the label of each value: (256,) int16, 255 ignored, -1 of no class."""
        table = np.full(256, IGNORED_LABEL if self.ignores_others else UNLISTED, np.int16)
        table[list(self.values)] = np.arange(len(self.values))
        table[IGNORED_LABEL] = IGNORED_LABEL
        if self.reduce_zero_label:
            table[0] = IGNORED_LABEL
        return table


def read_class_list(path: Path, *, reduce_zero_label: bool, ignores_others: bool) -> ClassList:
    """Read a list of classes.

    A text file (any suffix but ``.yaml`` and ``.yml``) has one name a line. YAML is a list of
    names or a mapping of values to names, alone or under ``classes`` or ``names``; ``palette``
    beside it gives colours. Without values, class k has the value k, or k + 1 where 0 is ignored.

    Args:
        path: of the file.
        reduce_zero_label: whether the value 0 is ignored, named or not.
        ignores_others: see :class:`ClassList`.

    Raises:
        UserError: the file is missing, not UTF-8, or no such list; a name or a value is given
            twice; there are more than 255 classes.
    """
    text = read_text(path)
    if path.suffix.lower() not in (".yaml", ".yml"):
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        return make_class_list(
            lines, None, str(path), reduce_zero_label=reduce_zero_label,
            ignores_others=ignores_others,
        )  # fmt: skip
    try:
        tree = parse_yaml(text)
    except yaml.YAMLError as error:
        raise UserError(
            f"{path} cannot be read as YAML: {' '.join(str(error).split())}."
        ) from error
    palette = None
    if isinstance(tree, dict):
        palette = tree.get("palette")
        tree = next((tree[key] for key in ("classes", "names") if key in tree), tree)
    return make_class_list(
        tree, palette, str(path), reduce_zero_label=reduce_zero_label, ignores_others=ignores_others
    )


def make_class_list(
    named: Any, palette: Any, source: str, *, reduce_zero_label: bool, ignores_others: bool
) -> ClassList:
    """Return a checked list of classes; see :func:`read_class_list`.

    Args:
        named: list of names, or mapping of values to names.
        palette: colour of each name, in their order; None takes distinct ones.
        source: of these, for messages.
        reduce_zero_label: as for :func:`read_class_list`.
        ignores_others: as for :func:`read_class_list`.
    """
    if isinstance(named, dict):
        values, names = [*named.keys()], [*named.values()]
    else:
        check(isinstance(named, list), f"{source} must hold {_EXAMPLE}.")
        values, names = [i + reduce_zero_label for i in range(len(named))], named
    wrong = [repr(name) for name in names if not (isinstance(name, str) and name.strip())]
    check(
        not wrong,
        f"{source}: names of classes must be texts, got {listed(wrong)}; put quotes around them. "
        f"The file holds {_EXAMPLE}.",
    )
    names = [composed(name.strip()) for name in names]
    wrong = [repr(v) for v in values if type(v) is not int or not 0 <= v < IGNORED_LABEL]
    check(
        not wrong,
        f"{source}: values of classes must be integers from 0 to {IGNORED_LABEL - 1}, got "
        f"{listed(wrong)}. {IGNORED_LABEL} marks pixels to ignore.",
    )
    colours = _colours(palette, len(names), source)
    rows = [*zip(names, values, colours, strict=True)]
    kept = [row for row in rows if not (reduce_zero_label and row[1] == 0)]
    check(bool(kept), f"{source} names no class; it must hold {_EXAMPLE}.")
    twice = sorted({name for name, _, _ in kept if [row[0] for row in kept].count(name) > 1})
    check(not twice, f"{source} gives {listed([repr(name) for name in twice])} twice.")
    return ClassList(
        names=tuple(row[0] for row in kept),
        values=tuple(row[1] for row in kept),
        palette=tuple(row[2] for row in kept),
        reduce_zero_label=reduce_zero_label,
        ignores_others=ignores_others,
    )


def colour_map(count: int) -> tuple[Colour, ...]:
    """Return ``count`` distinct colours: those of PASCAL VOC after black.

    Bits of the number, from the lowest, go in turn to the upper bits of red, green and blue.
    """
    colours = []
    for number in range(1, count + 1):
        channels = [0, 0, 0]
        for bit in range(8):
            for channel in range(3):
                channels[channel] |= (number >> (3 * bit + channel) & 1) << (7 - bit)
        colours.append((channels[0], channels[1], channels[2]))
    return tuple(colours)


def _colours(palette: Any, count: int, source: str) -> Sequence[Colour]:
    if palette is None:
        return colour_map(count)
    whole = isinstance(palette, list) and len(palette) == count and all(map(_is_colour, palette))
    check(
        whole,
        f"{source}: palette must be a list of {count} colours, one for each class, each of them "
        "[red, green, blue] from 0 to 255.",
    )
    return [tuple(colour) for colour in palette]


def _is_colour(value: Any) -> bool:
    return (
        isinstance(value, list)
        and len(value) == 3
        and all(type(part) is int and 0 <= part <= 255 for part in value)
    )
